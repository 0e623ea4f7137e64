/** The client for pages as a file: what is in it, and that it needs no more than browsers have. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { buildSync, transformSync } from 'esbuild';
import { WebSocket } from 'ws';
import { compileTypeScript } from '../../../scripts/compile-typescript.mjs';
import { root } from '../../../scripts/toolchain.mjs';
import type * as client from '../../../src/browser.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';

/** What a page loads; raise it only for what is worth the bytes. */
const BYTES_MAX = 128 * 1024;

type Task = () => void;

/** Timers as browsers have them: numbers, with nothing on them. */
class NumberedTimers {
  readonly #timers = new Map<number, NodeJS.Timeout>();

  start(timer: NodeJS.Timeout): number {
    this.#timers.set(this.#timers.size + 1, timer);
    return this.#timers.size;
  }

  stop(id: number | undefined): void {
    clearTimeout(this.#timers.get(id ?? 0));
  }
}

/** What pages and workers have, of what the client uses, and nothing of Node. */
function webGlobals(host: string): object {
  const timers = new NumberedTimers();
  return {
    AbortController,
    AbortSignal,
    // Those of the WebSocket of this process, since a context of its own has others.
    ArrayBuffer,
    Error,
    Uint8Array,
    TextDecoder,
    TextEncoder,
    URL,
    WebSocket,
    crypto: globalThis.crypto,
    performance,
    queueMicrotask,
    location: { protocol: 'http:', host },
    setTimeout: (task: Task, ms: number) => timers.start(setTimeout(task, ms)),
    setInterval: (task: Task, ms: number) => timers.start(setInterval(task, ms)),
    clearTimeout: (id?: number) => timers.stop(id),
    clearInterval: (id?: number) => timers.stop(id),
  };
}

describe('the bundle of the client', function () {
  this.timeout(60_000);
  let text: string;

  before(() => {
    compileTypeScript();
    text = readFileSync(join(root, 'dist/browser.js'), 'utf8');
  });
  afterEach(cleanUp);

  it('is no larger than it may be', () => {
    assert(text.length <= BYTES_MAX, `${text.length} bytes`);
  });

  it('is ASCII, so that it is the same in every encoding', () => {
    assert.match(text, /^[\n\x20-\x7e]*$/);
  });

  it('imports nothing', () => {
    const entryPoints = [join(root, 'dist/browser.js')];
    const { metafile } = buildSync({
      entryPoints,
      bundle: true,
      write: false,
      metafile: true,
      platform: 'browser',
      external: ['*'],
    });
    const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
    assert.deepEqual(imports, []);
  });

  it('holds the licence of each package that is in it', () => {
    for (const name of ['base64-js', 'buffer', 'ieee754']) {
      assert(text.includes(`Contains ${name}:\n`), name);
      const licence = readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8');
      assert(text.includes(licence.trim()), name);
    }
  });

  it('exports what the package does but for what needs Node', async () => {
    const { zbus } = load('h');
    const all = Object.keys(await import('../../../src/index.js'));
    const missing = all.filter((name) => !(name in zbus)).sort();
    assert.deepEqual(missing, [
      'ConfigError',
      'EmbeddedBroker',
      'Server',
      'createLog',
      'defaultConfig',
      'loadConfig',
      'startBroker',
      'version',
    ]);
  });

  it('works with nothing but what browsers have', async () => {
    const broker = await TestBroker.start();
    const { zbus } = load(`127.0.0.1:${broker.port}`);
    const bus = await zbus.connect();
    await bus.declare('t');
    await bus.produce('t', { text: 'é 😀' });
    const { value } = await bus.consume<{ text: string }>('t').next();
    assert.equal(value?.json().text, 'é 😀');
    await bus.close();
    assert.equal(bus.state, 'closed');
  });

  function load(host: string): { readonly zbus: typeof client } {
    const { code } = transformSync(text, { format: 'iife', globalName: 'zbus' });
    const context = createContext(webGlobals(host)) as { zbus: typeof client };
    runInContext(code, context);
    return { zbus: runInContext('zbus', context) as typeof client };
  }
});
