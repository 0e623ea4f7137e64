/**
 * Runs the unit and integration tests on another Node: `node scripts/test-on-node.mjs 26`. Takes
 * the binary from the npm package node-<platform>-<arch>, kept in node_modules/.cache; the addon
 * speaks Node-API, so the one built for this Node must load in that one.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { leaveOut } from './results.mjs';
import { root } from './toolchain.mjs';

/** Of the command's own tests the one that starts brokers: the rest is about words. */
const SPECS = [
  'test/unit/**/*.test.ts',
  'test/integration/*.test.ts',
  'test/integration/{broker,client,interop,security,server,tracker}/**/*.test.ts',
  'test/integration/cli/serve.test.ts',
];

/**
 * @param {string} version
 * @returns {string | undefined} path of that Node's binary, fetched if it is not there yet
 */
function fetchNode(version) {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(root, 'node_modules/.cache/zbus', `node-${version}`);
  const binary = join(folder, 'node_modules', name, 'bin/node');
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  const parameters = ['install', '--prefix', folder, '--no-save', '--ignore-scripts'];
  spawnSync('npm', [...parameters, `${name}@${version}`], { stdio: ['ignore', 2, 2] });
  return existsSync(binary) ? binary : undefined;
}

/** @param {string} version */
function testOn(version) {
  const binary = fetchNode(version);
  if (binary === undefined) {
    leaveOut(`tests on Node ${version}`, 'needs the npm registry for its binary');
    return;
  }
  // First in PATH, so that what the tests start runs on it too.
  const path = `${dirname(binary)}${delimiter}${process.env.PATH ?? ''}`;
  const { status } = spawnSync(binary, ['node_modules/mocha/bin/mocha.js', ...SPECS], {
    cwd: root,
    env: { ...process.env, PATH: path },
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}

const version = process.argv[2];
if (version === undefined || !/^\d+(\.\d+)*$/.test(version)) {
  console.error('usage: node scripts/test-on-node.mjs <version, such as 26 or 22.12.0>');
  process.exitCode = 1;
} else {
  testOn(version);
}
