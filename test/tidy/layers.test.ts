/**
 * Imports point down only. The layers, top first: cli, server, monitor, broker, then tracker, queue
 * and auth; protocol and the single files at the bottom may be used by all. The client knows none
 * of the layers, because it also runs in browsers; the tracker is a client of other brokers.
 */
import assert from 'node:assert/strict';
import { dirname, posix } from 'node:path';
import ts from 'typescript';
import { isTypeScript, type Source, textFiles } from './sources.js';

/** What each part may import besides itself and the bottom. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  index: ['embedded', 'server', 'client', 'broker'],
  browser: ['client'],
  embedded: ['server', 'client'],
  cli: ['server', 'client', 'broker', 'auth'],
  server: ['monitor', 'broker', 'tracker', 'queue', 'auth'],
  monitor: ['broker', 'queue', 'auth'],
  broker: ['tracker', 'queue', 'auth'],
  tracker: ['client'],
  queue: [],
  auth: [],
  client: [],
  protocol: [],
};
const BOTTOM = new Set([
  'protocol',
  'clock',
  'config',
  'errors',
  'limit-reports',
  'log',
  'turn',
  'version',
]);
/** The bottom knows only these; version, log and turn know nothing. */
const BOTTOM_MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  protocol: ['errors'],
  clock: [],
  config: [],
  errors: [],
  'limit-reports': ['clock'],
  log: [],
  turn: [],
  version: [],
};

function importsOf({ path, text }: Source): string[] {
  return ts
    .preProcessFile(text, true, true)
    .importedFiles.map(({ fileName }) =>
      fileName.startsWith('.') ? posix.join(dirname(path), fileName) : fileName,
    );
}

/** `src/broker/topic.ts` is of the part `broker`, `src/errors.ts` is the part `errors`. */
function partOf(path: string): string {
  const [, part = ''] = path.split('/');
  return part.replace(/\.[tj]s$/, '');
}

export function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  if (BOTTOM.has(from)) return BOTTOM_MAY_IMPORT[from]?.includes(to) ?? false;
  return BOTTOM.has(to) || (MAY_IMPORT[from]?.includes(to) ?? false);
}

describe('layers', () => {
  const sources = textFiles().filter((file) => isTypeScript(file) && file.path.startsWith('src/'));

  it('imports point down only', () => {
    const upward = sources.flatMap((source) =>
      importsOf(source)
        .filter((to) => to.startsWith('src/') && !mayImport(partOf(source.path), partOf(to)))
        .map((to) => `${source.path} imports ${to}`),
    );
    assert.deepEqual(upward, []);
  });

  it('only queue loads the addon', () => {
    const users = sources.filter((source) => importsOf(source).includes('src/queue/native.js'));
    assert.deepEqual(
      users.filter(({ path }) => !path.startsWith('src/queue/')),
      [],
    );
  });

  it('no sockets outside server, the TCP client and cli', () => {
    const allowed = /^src\/(server\/|cli\/|client\/tcp)/;
    const sockets = new Set(['node:net', 'net', 'node:tls', 'tls', 'node:http', 'node:https']);
    const users = sources.filter((source) => importsOf(source).some((to) => sockets.has(to)));
    assert.deepEqual(
      users.filter(({ path }) => !allowed.test(path)).map(({ path }) => path),
      [],
    );
  });

  it('the rule itself refuses what points up or sideways', () => {
    for (const [from, to] of [
      ['queue', 'broker'],
      ['broker', 'server'],
      ['protocol', 'queue'],
      ['client', 'broker'],
      ['client', 'server'],
      ['errors', 'protocol'],
      ['queue', 'tracker'],
      ['tracker', 'broker'],
      ['client', 'tracker'],
      ['auth', 'broker'],
      ['queue', 'auth'],
      ['server', 'cli'],
    ] as const) {
      assert(!mayImport(from, to), `${from} imports ${to}`);
    }
    assert(mayImport('cli', 'server') && mayImport('client', 'protocol'));
  });
});

describe('native layers', () => {
  const native = textFiles().filter(({ path }) => /^native\/[^/]+\.(cc|h)$/.test(path));
  const including = (pattern: RegExp, allowed: RegExp): string[] =>
    native
      .filter(({ path, text }) => pattern.test(text) && !allowed.test(path))
      .map(({ path }) => path);

  it('Node is known in addon alone', () => {
    const found = including(
      /#include\s+[<"](napi|node_api|node|uv|v8)\b/,
      /^native\/addon\w*\.(cc|h)$/,
    );
    assert.deepEqual(found, []);
  });

  it('system calls are known in vfs alone', () => {
    const headers = /#include\s+<(fcntl|unistd|dirent|sys\/\w+|linux\/\w+)(\.h)?>/;
    assert.deepEqual(including(headers, /^native\/vfs\w*\.(cc|h)$/), []);
  });
});
