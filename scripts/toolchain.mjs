/**
 * Finds what the build and the tests need on this machine: programs in PATH, Node's own headers.
 * Used by the other scripts; changes nothing.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

export const root = dirname(import.meta.dirname);

/**
 * The first of `names` that is an executable in PATH.
 * @param {string[]} names
 * @returns {string | undefined} its full path
 */
export function findProgram(...names) {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const extensions = process.platform === 'win32' ? ['.exe', '.cmd'] : [''];
  for (const name of names) {
    for (const folder of folders) {
      for (const extension of extensions) {
        const path = join(folder, name + extension);
        if (isExecutable(path)) return path;
      }
    }
  }
  return undefined;
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The compiler that CMake and make will use. */
export function findCompiler() {
  const chosen = process.env.CXX;
  return chosen ? findProgram(chosen) : findProgram('c++', 'g++', 'clang++');
}

/**
 * The environment for node-gyp: where the running Node has its headers beside it, node-gyp is told
 * so, because otherwise it downloads them.
 * @returns {NodeJS.ProcessEnv}
 */
export function nodeGypEnvironment() {
  if (process.env.npm_config_nodedir) return process.env;
  const prefix = dirname(dirname(process.execPath));
  if (!existsSync(join(prefix, 'include', 'node', 'node_api.h'))) return process.env;
  return { ...process.env, npm_config_nodedir: prefix };
}
