/** `zbus topic` and `zbus group`: what they show and what they change. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanUp } from '../../support/cleanup.js';
import { CommandRunner } from './client-commands.js';

describe('zbus topic', function () {
  this.timeout(60_000);
  afterEach(cleanUp);

  it('list prints a table for people, and with --json what the broker says', async () => {
    const { produce, run, json } = await CommandRunner.start();
    await produce('x'.repeat(2000));
    const [head = '', row = '', ...rest] = (await run(['topic', 'list'])).stdout.split('\n');
    assert.match(head, /^TOPIC +MESSAGES +STORED +GROUPS +CONSUMERS +MASK +CREATED$/);
    assert.match(row, /^orders +1 +[\d.]+ KiB +1 +0 +- +\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.deepEqual(rest, ['']);
    const listed = JSON.parse((await run(['topic', 'list', '--json'])).stdout) as unknown;
    assert.deepEqual(listed, [await json()]);
  });

  it('declare makes a topic with masks by name and rules of retention', async () => {
    const { run, json } = await CommandRunner.start();
    const retention = ['--retention-bytes', '8MiB', '--retention-age-ms', '60000'];
    await run(['topic', 'declare', 'jobs', '--mask', 'pause,ack_required', ...retention]);
    const topic = await json('jobs');
    assert.equal(topic.mask, 8 + 64);
    assert.deepEqual(topic.retention, { bytes: 8 * 1024 * 1024, ageMs: 60_000, consumed: false });
  });

  it('pause and resume leave the other bits as they are', async () => {
    const { run, client, json } = await CommandRunner.start();
    await client.expect(200, 'declare', { topic: 'orders', topic_mask: '64' });
    assert.match((await run(['topic', 'pause', 'orders'])).stdout, /^mask +pause,ack_required$/m);
    assert.equal((await json()).mask, 8 + 64);
    await run(['topic', 'resume', 'orders']);
    assert.equal((await json()).mask, 64);
  });

  it('remove and empty need --yes where nobody can be asked', async () => {
    const { produce, run, refusal, client, json } = await CommandRunner.start();
    await produce('a');
    const line = await refusal(['topic', 'empty', 'orders'], 2);
    assert.match(line, /drops 1 messages of topic orders: say --yes/);
    assert.equal((await json()).messageDepth, 1);
    await run(['topic', 'empty', 'orders', '--yes']);
    assert.equal((await json()).messageDepth, 0);
    assert.match(await refusal(['topic', 'remove', 'orders'], 2), /say --yes/);
    await run(['topic', 'remove', 'orders', '--yes']);
    await client.expect(404, 'query', { topic: 'orders' });
  });
});

describe('zbus group', function () {
  this.timeout(60_000);
  afterEach(cleanUp);

  it('seek moves a group to a time, an offset, an end; never makes one', async () => {
    const { produce, run, refusal, json } = await CommandRunner.start();
    await produce('old');
    await sleep(5);
    const time = new Date().toISOString();
    for (const body of ['new 1', 'new 2']) await produce(body);
    const toCome = async (place: string): Promise<unknown> => {
      await run(['group', 'seek', 'orders', 'orders', '--to', place]);
      return (await json('orders', 'orders')).messageCount;
    };
    assert.equal(await toCome(time), 2);
    assert.equal(await toCome('end'), 0);
    assert.equal(await toCome('begin'), 3);
    assert.equal(await toCome('2'), 1);
    assert.equal(await toCome('-1h'), 3);
    const line = await refusal(['group', 'seek', 'orders', 'nobody', '--to', 'end'], 1);
    assert.match(line, /ConsumeGroup\(nobody\) not found/);
  });

  it('declare, list and show tell what a group is and what its consumers hold', async () => {
    const { produce, run, client } = await CommandRunner.start();
    await produce('held', { tag: 'paid' });
    const flags = ['--mask', 'ack_required', '--filter', 'paid', '--ack-timeout', '60000'];
    await run(['group', 'declare', 'orders', 'w', ...flags, '--max-attempts', '5']);
    await client.expect(200, 'consume', { topic: 'orders', consume_group: 'w' });
    const { stdout } = await run(['group', 'list', 'orders']);
    assert.match(stdout, /^GROUP +TO COME +IN FLIGHT +CONSUMERS +FILTER +MASK\n/);
    assert.match(stdout, /^w +0 +1 +1 +paid +ack_required$/m);
    const shown = (await run(['group', 'show', 'orders', 'w'])).stdout;
    assert.match(shown, /^max attempts +5$/m);
    assert.match(shown, /^IN FLIGHT +RETRY +TIMEOUT IN +CONSUMER\n +0 +0 +\d+ ms +127\.0\.0\.1:/m);
  });

  it('pause, empty and remove concern the group alone', async () => {
    const { produce, run, client, json } = await CommandRunner.start();
    await client.expect(200, 'declare', { topic: 'orders', consume_group: 'b', group_mask: '16' });
    await produce('a');
    await run(['group', 'pause', 'orders', 'b']);
    assert.equal((await json('orders', 'b')).mask, 8 + 16);
    await run(['group', 'resume', 'orders', 'b']);
    assert.equal((await json('orders', 'b')).mask, 16);
    await run(['group', 'empty', 'orders', 'b', '--yes']);
    assert.equal((await json('orders', 'b')).messageCount, 0);
    await run(['group', 'remove', 'orders', 'b', '--yes']);
    await client.expect(404, 'query', { topic: 'orders', consume_group: 'b' });
    assert.equal((await json('orders', 'orders')).messageCount, 1);
  });

  it('does not make the topic of a mistyped name', async () => {
    const { refusal, client } = await CommandRunner.start();
    assert.match(
      await refusal(['group', 'declare', 'odrers', 'w'], 1),
      /Topic\(odrers\) not found/,
    );
    await client.expect(404, 'query', { topic: 'odrers' });
  });
});
