/** `zbus consume`: what it prints, what it takes from the group, and how it ends. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { cleanUp } from '../../support/cleanup.js';
import { CommandRunner } from './client-commands.js';

const ACK_REQUIRED = '64';

describe('zbus consume', function () {
  this.timeout(60_000);
  afterEach(cleanUp);

  it('prints -n messages and takes no more', async () => {
    const { produce, run, client } = await CommandRunner.start();
    for (const body of ['a', 'b', 'c', 'd']) await produce(body);
    const zbus = await run(['consume', 'orders', '-n', '3']);
    assert.equal(zbus.stdout, 'a\nb\nc\n');
    assert.equal(zbus.stderr, '');
    const next = await client.expect(200, 'consume', { topic: 'orders' });
    assert.equal(next.body.toString(), 'd');
  });

  it('prints the JSON that the streams of the broker hold', async () => {
    const { produce, run, broker, client } = await CommandRunner.start();
    await client.expect(200, 'declare', { topic: 'orders', consume_group: 'other' });
    await produce('grün "quoted"\n', { tag: 'a.b', 'x-shop': '7' });
    await produce(Buffer.from([0xff, 0x00]));
    const { stdout } = await run(['consume', 'orders', '-n', '2', '--json', '-g', 'other']);
    const url = `http://127.0.0.1:${broker.port}/consume/orders?prefetch=2`;
    const stream = await fetch(url, { headers: { accept: 'application/x-ndjson' } });
    const objects = (text: string): unknown[] =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => ({ ...(JSON.parse(line) as object), group: '' }));
    assert.deepEqual(objects(stdout), objects(await stream.text()));
  });

  it('prints bodies alone with --raw', async () => {
    const { produce, run } = await CommandRunner.start();
    const bytes = Buffer.from([0xff, 0x00, 0x0a]);
    await produce(bytes);
    const zbus = await run(['consume', 'orders', '-n', '1', '--raw']);
    assert.deepEqual(zbus.stdoutBytes, bytes);
  });

  it('ends with --timeout when no message comes', async () => {
    const { produce, run } = await CommandRunner.start();
    await produce('only');
    assert.equal((await run(['consume', 'orders', '--timeout', '200'])).stdout, 'only\n');
  });

  it('acknowledges what was printed', async () => {
    const { produce, run, json } = await CommandRunner.start();
    for (const body of ['a', 'b', 'c']) await produce(body);
    await run(['consume', 'orders', '-g', 'workers', '--ack', '--from', 'begin', '-n', '2']);
    const group = await json('orders', 'workers');
    assert.equal(group.mask, 64);
    assert.equal(group.settledOffset, 2);
    assert.equal(group.messageCount, 1);
  });

  it('ends quietly when its reader goes, and acknowledges nothing more', async () => {
    const { begin, produce, client, json } = await CommandRunner.start();
    const group = { topic: 'orders', consume_group: 'w', group_mask: ACK_REQUIRED };
    await client.expect(200, 'declare', group);
    await produce('seen');
    const zbus = begin(['consume', 'orders', '-g', 'w', '--prefetch', '10']);
    await zbus.until(() => /seen\n/.exec(zbus.stdout));
    zbus.process.stdout.destroy();
    for (const body of ['unseen 1', 'unseen 2']) await produce(body);
    assert.equal(await zbus.exit(), 0);
    assert.equal(zbus.stderr, '');
    assert.equal((await json('orders', 'w')).settledOffset, 1);
    // What was in hand and what was fetched ahead come back by different ways, in either order.
    const again: string[] = [];
    for (let i = 0; i < 2; i++) {
      const next = await client.expect(200, 'consume', { topic: 'orders', consume_group: 'w' });
      again.push(next.body.toString());
    }
    assert.deepEqual(again.sort(), ['unseen 1', 'unseen 2']);
  });

  it('ends at Ctrl-C with exit code 130 and leaves the group', async () => {
    const { begin, produce, client, json } = await CommandRunner.start();
    const zbus = begin(['consume', 'orders']);
    await produce('before');
    await zbus.until(() => /before\n/.exec(zbus.stdout));
    zbus.process.kill('SIGINT');
    assert.equal(await zbus.exit(), 130);
    assert.equal(zbus.stderr, '');
    assert.equal((await json('orders', 'orders')).consumerCount, 0);
    await produce('after');
    const next = await client.expect(200, 'consume', { topic: 'orders' });
    assert.equal(next.body.toString(), 'after');
  });

  it('goes on when the broker comes back, and says that it was gone', async () => {
    const { begin, broker, produce } = await CommandRunner.start();
    const zbus = begin(['consume', 'orders']);
    await produce('before');
    await zbus.until(() => /before\n/.exec(zbus.stdout));
    const { port } = broker;
    await broker.stop();
    await zbus.until(() => /^zbus: Connection lost.*; connecting again\n/.exec(zbus.stderr));
    Object.assign(broker.config, { serverAddress: `127.0.0.1:${port}` });
    await broker.start();
    await zbus.until(() => /^zbus: connected again\n/m.exec(zbus.stderr));
    const client = await broker.connect();
    await client.expect(200, 'produce', { topic: 'orders' }, 'behind');
    await zbus.until(() => /before\nbehind\n/.exec(zbus.stdout));
  });

  it('does not make a topic, and moves no group that was not named', async () => {
    const { refusal, client } = await CommandRunner.start();
    assert.match(await refusal(['consume', 'odrers'], 1), /Topic\(odrers\) not found/);
    await client.expect(404, 'query', { topic: 'odrers' });
    assert.match(
      await refusal(['consume', 'orders', '--from', 'begin'], 2),
      /name it with --group/,
    );
  });
});

describe('zbus tail', function () {
  this.timeout(60_000);
  afterEach(cleanUp);

  it('prints the last messages and changes nothing that others see', async () => {
    const { produce, run, json } = await CommandRunner.start();
    for (let i = 0; i < 40; i++) await produce(`m${i}`);
    const before = await json();
    assert.equal((await run(['tail', 'orders', '-n', '2'])).stdout, 'm38\nm39\n');
    assert.equal((await run(['tail', 'orders', '-n', '100'])).stdout.split('\n').length, 41);
    assert.deepEqual(await json(), before);
  });

  it('looks through the whole topic for those that pass the filter', async () => {
    const { produce, run } = await CommandRunner.start();
    await produce('first', { tag: 'eu.paid' });
    for (let i = 0; i < 40; i++) await produce('other', { tag: 'us' });
    await produce('last', { tag: 'eu' });
    const { stdout } = await run(['tail', 'orders', '--filter', 'eu.#', '-n', '2']);
    assert.equal(stdout, 'first\nlast\n');
  });

  it('follows, from the end of a topic that was emptied', async () => {
    const { begin, produce, client } = await CommandRunner.start();
    await produce('gone');
    await client.expect(200, 'empty', { topic: 'orders' });
    await produce('kept');
    const zbus = begin(['tail', 'orders', '--follow']);
    await zbus.until(() => /kept\n/.exec(zbus.stdout));
    for (const body of ['new 1', 'new 2']) await produce(body);
    await zbus.until(() => /new 2\n/.exec(zbus.stdout));
    assert.equal(zbus.stdout, 'kept\nnew 1\nnew 2\n');
    zbus.process.kill('SIGINT');
    assert.equal(await zbus.exit(), 130);
  });
});
