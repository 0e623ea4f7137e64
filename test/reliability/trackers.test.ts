/**
 * A tracker, two servers and a client, each a process on a host of its own: what the client knows
 * when one is killed, stopped, or cut off without a word, and how long it takes until it knows.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { root } from '../../scripts/toolchain.mjs';
import { BrokerProcess } from '../support/broker-process.js';
import { cleanUp } from '../support/cleanup.js';
import { type Host, needNetwork, Network } from '../support/namespace.js';
import { tempFolder } from '../support/temp-folder.js';

const PORT = 15555;
/** Of a busy machine; what it took is printed. */
const KNOWN_MS_MAX = 15_000;
/** Longer than it takes to find out that a peer is silent. */
const UNCHANGED_MS = 4000;

/** Prints the servers that are listed and reached, each time that these change. */
const WATCHER = `
  import { Broker } from ${JSON.stringify(join(root, 'dist/index.js'))};
  const broker = new Broker({ trackers: [process.argv[1]] });
  let shown;
  setInterval(() => {
    const there = broker.servers.filter((one) => broker.isConnected(one));
    const line = there.map(({ key }) => key).sort().join(' ');
    if (line !== shown) console.log(line);
    shown = line;
  }, 20);
`;

/** What runs on a host ends with the test. */
function startOn(host: Host, env: Record<string, string>): Promise<BrokerProcess> {
  return BrokerProcess.start({
    dir: tempFolder(),
    env: {
      ZBUS_SERVER_ADDRESS: `${host.address}:${PORT}`,
      ZBUS_ALLOW_UNAUTHENTICATED: 'true',
      ...env,
    },
    spawn: host.spawn,
  });
}

class World {
  readonly network: Network;
  /** What the client knows now. */
  known = '';

  private constructor(network: Network) {
    this.network = network;
  }

  static async create(): Promise<World> {
    return new World(await Network.create(['tracker', 'one', 'two', 'client']));
  }

  address(name: string): string {
    return `${this.network.host(name).address}:${PORT}`;
  }

  startTracker(): Promise<BrokerProcess> {
    return startOn(this.network.host('tracker'), { ZBUS_TRACKER_ONLY: 'true' });
  }

  startServer(name: string): Promise<BrokerProcess> {
    return startOn(this.network.host(name), { ZBUS_TRACKER_LIST: this.address('tracker') });
  }

  watch(): void {
    const parameters = ['--input-type=module', '-e', WATCHER, this.address('tracker')];
    const child = this.network
      .host('client')
      .spawn(process.execPath, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
    if (child.stdout === null) throw new Error('no output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.known = line;
    });
  }

  /** Waits until the client reaches these servers and no others, and prints how long it took. */
  async untilKnown(what: string, ...names: string[]): Promise<void> {
    const wanted = names.map((name) => this.address(name)).join(' ');
    const beganMs = Date.now();
    while (this.known !== wanted) {
      const tookMs = Date.now() - beganMs;
      assert(tookMs < KNOWN_MS_MAX, `${what}: ${tookMs} ms, and it knows "${this.known}"`);
      await delay(10);
    }
    console.log(`      ${what}: known in ${Date.now() - beganMs} ms`);
  }
}

describe('a client of a tracker, over a network', function () {
  this.timeout(120_000);
  before(function () {
    needNetwork(this);
  });
  afterEach(cleanUp);

  async function start() {
    const world = await World.create();
    const tracker = await world.startTracker();
    const one = await world.startServer('one');
    const two = await world.startServer('two');
    world.watch();
    await world.untilKnown('begin', 'one', 'two');
    return { world, tracker, one, two };
  }

  it('leaves out a server that is killed or paused, and finds it again', async () => {
    const { world, one, two } = await start();
    two.signal('SIGKILL');
    await world.untilKnown('server killed', 'one');
    await world.startServer('two');
    await world.untilKnown('server started again', 'one', 'two');
    one.signal('SIGSTOP');
    await world.untilKnown('server paused', 'two');
    one.signal('SIGCONT');
    await world.untilKnown('server goes on', 'one', 'two');
  });

  it('leaves out a server that is cut off, from the tracker or from itself', async () => {
    const { world } = await start();
    for (const [from, to, direction] of [
      ['tracker', 'two', 'both'],
      ['two', 'tracker', 'forth'],
      ['client', 'two', 'both'],
      ['two', 'client', 'forth'],
    ] as const) {
      await world.network.cut(from, to, { direction });
      await world.untilKnown(`cut ${from} ${to} ${direction}`, 'one');
      await world.network.heal();
      await world.untilKnown('healed', 'one', 'two');
    }
  });

  it('goes on with what it knows while the tracker is gone', async () => {
    const { world, tracker } = await start();
    const known = world.known;
    tracker.signal('SIGKILL');
    await delay(UNCHANGED_MS);
    assert.equal(world.known, known);
    await world.startTracker();
    await delay(UNCHANGED_MS);
    await world.untilKnown('tracker started again', 'one', 'two');
  });
});
