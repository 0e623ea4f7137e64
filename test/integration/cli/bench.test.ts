/** `zbus bench` as a user runs it: its counts, what it leaves behind, and how it ends. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import type { Report } from '../../../src/cli/bench/report.js';
import type { Bus } from '../../../src/index.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';
import { until } from '../../support/wait.js';
import { openBus, take } from '../client/buses.js';
import { ZbusCommand } from './zbus-command.js';

function bench(broker: TestBroker, ...flags: string[]): ZbusCommand {
  const address = `127.0.0.1:${broker.port}`;
  return new ZbusCommand(['bench', ...flags], tempFolder(), { ZBUS_SERVER: address });
}

async function topicsOf(bus: Bus): Promise<string[]> {
  return Object.keys((await bus.query()).topicTable);
}

describe('zbus bench', () => {
  afterEach(cleanUp);

  it('counts every message of each workload, and leaves no topic behind', async () => {
    const broker = await TestBroker.start();
    const command = bench(broker, '-n', '300', '--connections', '2', '--window', '20', '--json');
    assert.equal(await command.exit(), 0, command.stderr);
    const { results, broker: measured, plan } = JSON.parse(command.stdout) as Report;
    assert.deepEqual(
      results.map(({ workload, count, faults }) => [workload, count, faults]),
      [
        ['produce', 300, []],
        ['consume', 300, []],
        ['rpc', 300, []],
        ['fan-out', 900, []],
      ],
    );
    const recorded = results.map(({ latency }) => latency?.count ?? null);
    assert.deepEqual(recorded, [300, null, 300, 900]);
    assert.equal(measured.address, `127.0.0.1:${broker.port}`);
    assert.equal(plan.messages, 300);
    assert.deepEqual(await topicsOf(await openBus(broker)), []);
  });

  it('acknowledges what it consumes when told to, and says how long that takes', async () => {
    const broker = await TestBroker.start();
    const command = bench(broker, 'consume', '-n', '300', '--ack', '--json');
    assert.equal(await command.exit(), 0, command.stderr);
    const [result] = (JSON.parse(command.stdout) as Report).results;
    assert.deepEqual([result?.count, result?.latency?.count], [300, 300]);
  });

  it('without a server measures a broker of its own, which goes with its data', async () => {
    const dir = tempFolder();
    const flags = ['bench', 'produce', '-n', '200', '--dir', dir, '--ack-level', 'page'];
    const command = new ZbusCommand(flags, tempFolder(), { ZBUS_SERVER: '' });
    assert.equal(await command.exit(), 0, command.stderr);
    assert.match(command.stdout, /^broker .*the bench's own/);
    assert.match(command.stdout, /^produce +200 +[\d,]+ /m);
    assert.match(command.stdout, /each counted once/);
    assert.deepEqual(readdirSync(dir), []);
  });

  it('a broker of its own does not outlive a bench that was killed', async () => {
    const dir = tempFolder();
    const flags = ['bench', 'produce', '--duration', '60', '--dir', dir];
    const command = new ZbusCommand(flags, tempFolder(), { ZBUS_SERVER: '' });
    const lock = (): string | undefined =>
      readdirSync(dir).find((name) => existsSync(`${dir}/${name}/zbus.lock`));
    await until(() => lock() !== undefined);
    command.process.kill('SIGKILL');
    await until(() => readdirSync(dir).length === 0);
  });

  it('a message that someone else took is told as missing, with exit code 1', async () => {
    const broker = await TestBroker.start();
    const bus = await openBus(broker);
    const plan = ['-n', '200', '--rate', '200', '--groups', '1', '--timeout', '1000'];
    const command = bench(broker, 'fan-out', ...plan);
    const group = 'group-0';
    let topic: string | undefined;
    await until(async () => {
      topic = (await topicsOf(bus))[0];
      const groups = topic === undefined ? [] : await groupsWithConsumers(bus, topic);
      return groups.includes(group);
    });
    await take(bus.consume(topic ?? '', { group }), 1);
    assert.equal(await command.exit(), 1);
    assert.match(command.stderr, /^zbus: fan-out: .*group-0: 1 of \d+ messages missing/);
    assert.match(command.stdout, /NOT RIGHT/);
  });

  it('Ctrl-C ends it with 130, and no topic stays behind', async () => {
    const broker = await TestBroker.start();
    const bus = await openBus(broker);
    const command = bench(broker, 'produce', '--duration', '60', '--ack-level', 'page');
    await until(async () => {
      const [topic] = await topicsOf(bus);
      return topic !== undefined && (await depthOf(bus, topic)) > 0;
    });
    command.process.kill('SIGINT');
    assert.equal(await command.exit(), 130, command.stderr);
    assert.match(command.stderr, /interrupted: there are no figures/);
    assert.equal(command.stdout, '');
    assert.deepEqual(await topicsOf(bus), []);
  });

  for (const [flags, reason] of [
    [['produce', '-n', '0'], /whole number from 1/],
    [['sing'], /Allowed choices are produce, consume, rpc, fan-out/],
    [['-n', '5', '--duration', '5'], /either --messages or --duration/],
    [['--size', '3'], /at least 16B?/],
    [['--dir', 'x', '--server', 'y'], /--dir is for a broker of its own/],
  ] as const) {
    it(`refuses ${flags.join(' ')} with exit code 2`, async () => {
      const command = new ZbusCommand(['bench', ...flags], tempFolder());
      assert.equal(await command.exit(), 2);
      assert.match(command.stderr, reason);
    });
  }
});

async function groupsWithConsumers(bus: Bus, topic: string): Promise<string[]> {
  try {
    const { consumeGroupList } = await bus.query(topic);
    return consumeGroupList.flatMap(({ groupName, consumerCount }) =>
      consumerCount > 0 ? [groupName] : [],
    );
  } catch {
    // It was removed meanwhile.
    return [];
  }
}

async function depthOf(bus: Bus, topic: string): Promise<number> {
  try {
    return (await bus.query(topic)).messageDepth;
  } catch {
    // It was removed meanwhile.
    return 0;
  }
}
