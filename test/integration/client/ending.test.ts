/** A client that is closed leaves nothing behind: no timer, no socket, no rejection unheard. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { ClosedError } from '../../../src/errors.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { openBus, openTo, transports } from './buses.js';
import { CutProxy } from './cut-proxy.js';

const CHILD = fileURLToPath(new URL('ending-child.mjs', import.meta.url));

describe('the end of a client', () => {
  afterEach(cleanUp);

  it('lets its program end by itself, without an unhandled rejection', async () => {
    const broker = await TestBroker.start({ ackLevel: 'page' });
    const proxy = await CutProxy.open(broker.port);
    const ports = [`${proxy.port}`, `${broker.port}`];
    const child = spawn(process.execPath, ['--import=tsx', CHILD, ...ports], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onCleanUp(() => {
      child.kill('SIGKILL');
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (text.includes('cut')) proxy.cut();
    });
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(output, 'cut\ngave up\nproduced 1 2\n');
    assert.equal(code, 0);
  });

  for (const transport of transports) {
    it(`over ${transport} answers what is under way`, async () => {
      const broker = await TestBroker.start();
      const bus = await openBus(broker, transport);
      await bus.declare('T');
      const under = Array.from({ length: 200 }, (_, n) => bus.produce('T', `${n}`));
      const closing = bus.close();
      await assert.rejects(bus.produce('T', 'late'), ClosedError);
      await closing;
      assert.equal((await Promise.all(under)).length, 200);
      assert.equal(bus.state, 'closed');
      await bus.close();
      const again = await openBus(broker, transport);
      assert.equal((await again.query('T')).messageDepth, 200);
    });
  }

  it('is waited for while the socket is full, and loses nothing', async () => {
    const broker = await TestBroker.start({ ackLevel: 'page' });
    const bus = await openTo(broker.port);
    await bus.declare('T');
    const body = Buffer.alloc(300_000, 'x');
    const under = Array.from({ length: 100 }, () => bus.produce('T', body));
    await bus.close({ timeoutMs: 20_000 });
    assert.deepEqual(
      (await Promise.all(under)).map(({ offset, attempts }) => [offset, attempts]),
      under.map((_, n) => [n, 1]),
    );
  });

  it('ends its consumers', async () => {
    const broker = await TestBroker.start();
    const bus = await openBus(broker);
    const waiting = bus.consume('T', { group: 'g' }).next();
    await bus.close();
    assert.equal((await waiting).done, true);
  });
});
