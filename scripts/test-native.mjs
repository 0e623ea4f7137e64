/**
 * Builds the engine's own test binary with CMake and runs it: plain, under AddressSanitizer with
 * UndefinedBehaviorSanitizer, and under ThreadSanitizer. `npm run test:native -- plain` runs one.
 */
import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { leaveOut, report } from './results.mjs';
import { findCompiler, findProgram, root } from './toolchain.mjs';

/** Of one thread, and exhaustive: under ThreadSanitizer they take 80 s and can find nothing. */
const SINGLE_THREADED = 'address:*,check:*,crc32c:*,cursor:*,damage:*,filter:*,format:*,recovery:*';

const BUILDS = [
  { name: 'plain', sanitize: '', exclude: '' },
  { name: 'address', sanitize: 'address,undefined', exclude: '' },
  { name: 'thread', sanitize: 'thread', exclude: SINGLE_THREADED },
];

/**
 * Whether the compiler takes `source` with `flags`: the sure way to know that a header
 * or a sanitizer's runtime library is installed.
 * @param {string} compiler
 * @param {string} source
 * @param {string[]} flags
 */
function compiles(compiler, source, flags) {
  const parameters = ['-x', 'c++', '-std=c++20', ...flags, '-o', '/dev/null', '-'];
  const { status } = spawnSync(compiler, parameters, { input: source, stdio: 'pipe' });
  return status === 0;
}

/**
 * @param {string} program
 * @param {string[]} parameters
 * @returns {Promise<{ status: number, output: string }>} what it printed, also shown as it comes
 */
async function run(program, parameters) {
  const child = spawn(program, parameters, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
    output += text;
    process.stdout.write(text);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ status: code ?? 1, output }));
  });
}

/**
 * The commands that make the test binary in `folder`. The plain one is made where the addon is,
 * from the same objects of the engine.
 * @param {string} folder
 * @param {string} sanitize
 */
function buildCommands(folder, sanitize) {
  const target = ['--target', 'zbus_native_test', '--parallel', `${availableParallelism()}`];
  if (sanitize === '') {
    const cmakeJs = [process.execPath, join(root, 'node_modules/cmake-js/bin/cmake-js')];
    const quiet = ['--log-level', 'error'];
    // Configured again, because doctest may have been installed since the addon was built.
    return [
      [...cmakeJs, 'configure', ...quiet],
      [...cmakeJs, 'build', ...target, ...quiet],
    ];
  }
  return [
    ['cmake', '-S', '.', '-B', folder, `-DZBUS_SANITIZE=${sanitize}`],
    ['cmake', '--build', folder, ...target],
  ];
}

/** @param {{ name: string, sanitize: string, exclude: string }} build */
async function testBuild({ name, sanitize, exclude }) {
  const folder = sanitize === '' ? 'build' : join('build', `test-${name}`);
  for (const [program = '', ...parameters] of buildCommands(folder, sanitize)) {
    const { status } = spawnSync(program, parameters, { cwd: root, stdio: ['ignore', 2, 2] });
    if (status !== 0) {
      report({ failed: 1 });
      process.exitCode = 1;
      return;
    }
  }
  const { status, output } = await run(join(root, folder, 'zbus_native_test'), [
    '--no-colors=true',
    `--test-case-exclude=${exclude}`,
  ]);
  const summary = /test cases: *\d+ \| *(\d+) passed \| *(\d+) failed \| *(\d+) skipped/.exec(
    output,
  );
  const [passed = 0, failed = 0, skipped = 0] = (summary?.slice(1) ?? [0, 0, 0]).map(Number);
  // A sanitizer's finding or a crash fails the run though each case may have passed.
  // doctest counts as skipped what it was told to exclude.
  const left = exclude === '' ? skipped : 0;
  report({ passed, failed: status === 0 ? failed : Math.max(failed, 1), skipped: left });
  if (status !== 0 || summary === null) process.exitCode = 1;
}

/** @returns {Promise<void>} */
async function main() {
  const wanted = process.argv.slice(2);
  const compiler = findCompiler();
  if (compiler === undefined || findProgram('cmake') === undefined) {
    leaveOut('tests of the native engine', 'apt-get install g++ make cmake');
    return;
  }
  if (!compiles(compiler, '#include <doctest/doctest.h>', ['-fsyntax-only'])) {
    leaveOut('tests of the native engine', 'apt-get install doctest-dev');
    return;
  }
  for (const build of BUILDS) {
    if (wanted.length > 0 && !wanted.includes(build.name)) continue;
    const flags = build.sanitize === '' ? [] : [`-fsanitize=${build.sanitize}`];
    if (compiles(compiler, 'int main() {}', flags)) {
      console.log(`-- native tests, ${build.name}`);
      await testBuild(build);
    } else {
      const advice = 'apt-get install libasan8 libubsan1 libtsan2, or libclang-rt-dev for clang';
      leaveOut(`native tests under the ${build.name} sanitizer`, advice);
    }
  }
}

await main();
