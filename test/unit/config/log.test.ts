/** What the log promises of its lines; written to a file because that is what outlives a test. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';

const LOG = fileURLToPath(new URL('../../../src/log.ts', import.meta.url));

/** Runs `statements` with `log` in a process of its own that ends without any handler run. */
function logged(statements: string, verbose = false): { lines: string[]; file: string } {
  const logDir = join(tempFolder(), 'new', 'folder');
  const options = JSON.stringify({ logDir, verbose });
  const program = `import { createLog } from ${JSON.stringify(LOG)};
    const log = createLog(${options});
    ${statements}
    process.kill(process.pid, 'SIGKILL');`;
  const { signal, stderr } = spawnSync(
    process.execPath,
    ['--import=tsx', '--input-type=module', '--eval', program],
    { encoding: 'utf8' },
  );
  assert.equal(signal, 'SIGKILL', stderr);
  const file = join(logDir, 'zbus.log');
  const text = readFileSync(file, 'utf8');
  assert(text === '' || text.endsWith('\n'));
  return { lines: text.split('\n').slice(0, -1), file };
}

function parse(line: string | undefined): Record<string, unknown> {
  return JSON.parse(line ?? '') as Record<string, unknown>;
}

describe('log', () => {
  afterEach(cleanUp);

  it('writes one JSON line an event, in order, also when the process is killed', () => {
    const { lines } = logged(`log.info({ topic: 'T' }, 'made'); log.warn({}, 'full');`);
    assert.equal(lines.length, 2);
    const { time, ...rest } = parse(lines[0]);
    assert.deepEqual(rest, { level: 'info', topic: 'T', event: 'made' });
    assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.equal(parse(lines[1]).level, 'warn');
  });

  it('keeps a value with line breaks within its line', () => {
    const forged = '\\n{"level":"error","event":"forged"}\\r\\n';
    const { lines } = logged(`log.info({ topic: '${forged}' }, 'made');`);
    assert.equal(lines.length, 1);
    assert.equal(parse(lines[0]).event, 'made');
  });

  it('masks what is named token', () => {
    const { lines } = logged(
      `log.info({ token: 'secret1', headers: { token: 'secret2' } }, 'refused');`,
    );
    assert(!lines.join().includes('secret'), lines[0]);
  });

  it('writes an error with message and stack in one line', () => {
    const { lines } = logged(`log.error({ error: new Error('broken') }, 'failed');`);
    assert.equal(lines.length, 1);
    const { error } = parse(lines[0]) as { error: { message: string; stack: string } };
    assert.equal(error.message, 'broken');
    assert.match(error.stack, /at /);
  });

  it('leaves debug lines out unless verbose', () => {
    assert.equal(logged(`log.debug({}, 'detail');`).lines.length, 0);
    assert.equal(logged(`log.debug({}, 'detail');`, true).lines.length, 1);
  });

  it('lets nobody else read the file', () => {
    const { file } = logged(`log.info({}, 'x');`);
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });
});
