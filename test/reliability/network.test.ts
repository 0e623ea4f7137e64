/**
 * The networks of the tests: what is cut is cut without a word and in the direction that was named,
 * nothing else is, and nothing of them outlives the test process.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { cleanUp } from '../support/cleanup.js';
import { type Host, needNetwork, Network } from '../support/namespace.js';
import { until } from '../support/wait.js';

const PORT = 7000;
const AGAIN_MS = 5;
/** Prints each datagram that it gets; sends each line that it reads, `address text`. */
const TALKER = `
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (text) => console.log(String(text)));
  socket.bind(${PORT}, () => console.log('ready'));
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const [address, text] = line.split(' ');
    socket.send(text, ${PORT}, address);
  });
`;

class Talker {
  readonly heard: string[] = [];
  readonly #host: Host;
  readonly #child: ChildProcess;

  private constructor(host: Host) {
    this.#host = host;
    this.#child = host.spawn(process.execPath, ['-e', TALKER], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    // It is killed while lines may be on their way to it.
    this.#child.stdin?.on('error', () => undefined);
    if (this.#child.stdout === null) throw new Error('no output');
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.heard.push(line));
  }

  static async start(host: Host): Promise<Talker> {
    const talker = new Talker(host);
    await until(() => talker.heard.shift() === 'ready');
    return talker;
  }

  say(to: Talker, text: string): void {
    this.#child.stdin?.write(`${to.#host.address} ${text}\n`);
  }

  /** Says it until it is heard: the end of a cut takes effect at a moment of its own. */
  async reach(to: Talker, text: string): Promise<void> {
    await until(async () => {
      this.say(to, text);
      await delay(AGAIN_MS);
      return to.heard.includes(text);
    });
  }
}

const KILLED = `
  import { Network } from ${JSON.stringify(new URL('../support/namespace.ts', import.meta.url))};
  const network = await Network.create(['a']);
  const child = network.host('a').spawn('sleep', ['600']);
  console.log(child.pid);
`;

describe('a network of the tests', () => {
  before(function () {
    needNetwork(this);
  });
  afterEach(cleanUp);

  it('carries what each host sends to each other', async () => {
    const { a, b, c } = await threeTalkers();
    await a.reach(b, 'ab');
    await b.reach(c, 'bc');
    await c.reach(a, 'ca');
  });

  it('drops what one host sends to another, and nothing else', async () => {
    const { network, a, b, c } = await threeTalkers();
    await a.reach(b, 'before');
    await network.cut('a', 'b', { direction: 'forth' });
    a.say(b, 'dropped');
    await b.reach(a, 'ba');
    await a.reach(c, 'ac');
    await network.heal();
    await a.reach(b, 'after');
    assert(!b.heard.includes('dropped'));
  });

  it('drops both ways between two hosts that are cut apart', async () => {
    const { network, a, b, c } = await threeTalkers();
    await network.cut('a', 'b');
    a.say(b, 'dropped');
    b.say(a, 'dropped');
    await a.reach(c, 'ac');
    await b.reach(c, 'bc');
    await network.heal();
    await a.reach(b, 'after');
    await b.reach(a, 'after');
    assert(![...a.heard, ...b.heard].includes('dropped'));
  });

  it('drops all that an unplugged host sends and gets', async () => {
    const { network, a, b, c } = await threeTalkers();
    await network.unplug('a');
    a.say(b, 'dropped');
    b.say(a, 'dropped');
    await b.reach(c, 'bc');
    await network.heal();
    await b.reach(a, 'after');
    await a.reach(b, 'after');
    assert(![...a.heard, ...b.heard].includes('dropped'));
  });

  it('ends with the test process, also when that is killed', async () => {
    const parameters = ['--import=tsx', '--input-type=module', '--eval', KILLED];
    const test = spawn(process.execPath, parameters, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [output] = (await once(test.stdout, 'data')) as [Buffer];
    const pid = Number(output.toString());
    assert(existsSync(`/proc/${pid}`));
    test.kill('SIGKILL');
    await until(() => !existsSync(`/proc/${pid}`));
  });
});

async function threeTalkers(): Promise<Record<'a' | 'b' | 'c', Talker> & { network: Network }> {
  const network = await Network.create(['a', 'b', 'c']);
  const talker = (name: string): Promise<Talker> => Talker.start(network.host(name));
  return { network, a: await talker('a'), b: await talker('b'), c: await talker('c') };
}
