/**
 * Builds what runs: the addon into build/Release and the TypeScript into dist. Run by npm after
 * `npm install` in a clone (`prepare`), and by `npm run compile`. Users of the package never run
 * it: the tarball brings dist and a prebuilt addon. Only what changed is compiled.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { compileTypeScript } from './compile-typescript.mjs';
import { findCompiler, findProgram, nodeGypEnvironment, root } from './toolchain.mjs';

/**
 * @param {string} reason one line that says what to do
 * @returns {never}
 */
function fail(reason) {
  console.error(`zbus: ${reason}`);
  process.exit(1);
}

/**
 * @param {string} script path inside node_modules
 * @param {string[]} parameters
 * @param {NodeJS.ProcessEnv} [env]
 */
function runPackage(script, parameters, env = process.env) {
  const path = join(root, 'node_modules', script);
  execFileSync(process.execPath, [path, ...parameters], { cwd: root, env, stdio: 'inherit' });
}

function buildAddon() {
  const advice = 'Debian: apt-get install g++ make cmake; macOS: xcode-select --install';
  if (findCompiler() === undefined) fail(`the addon needs a C++20 compiler (${advice})`);
  if (findProgram('make', 'ninja') === undefined) fail(`the addon needs make (${advice})`);
  if (findProgram('cmake') !== undefined) {
    // make, unlike ninja, compiles one file at a time unless told otherwise.
    const jobs = `${availableParallelism()}`;
    runPackage('cmake-js/bin/cmake-js', ['build', '--parallel', jobs, '--log-level', 'error']);
  } else if (findProgram('python3', 'python') !== undefined) {
    runPackage('node-gyp/bin/node-gyp.js', ['rebuild', '--jobs', 'max'], nodeGypEnvironment());
  } else {
    fail(`the addon needs cmake, or python3 for node-gyp (${advice})`);
  }
}

function main() {
  if (!existsSync(join(root, 'node_modules/typescript'))) {
    fail('the build needs the development dependencies: npm install --include=dev');
  }
  try {
    buildAddon();
    compileTypeScript();
  } catch (error) {
    fail(`the build failed, see above (${error instanceof Error ? error.message : String(error)})`);
  }
}

main();
