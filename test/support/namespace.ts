/**
 * A small network of named hosts on one machine: each is a network namespace with an address of its
 * own, all hang on one bridge. Packets between chosen hosts can be dropped without a word, one way
 * or both, and cables pulled. Needs Linux, iproute2 and user namespaces, and no root. Closed by
 * cleanUp; promises that namespaces and processes also end when the test process is killed.
 */
import { type ChildProcess, spawn, type SpawnOptions, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { onCleanUp } from './cleanup.js';
import { need } from './programs.js';

const SUBNET = '10.77.0';
const BRIDGE = 'bridge0';
/** A locally administered address for each host; the cut goes to one that nobody has. */
const HARDWARE = '02:00:00:00:00:';
const NOBODY = `${HARDWARE}ff`;
/** What has lived in a namespace of the test, or made one, dies with the test process. */
const MORTAL = ['setpriv', '--pdeathsig', 'KILL'];

export interface CutOptions {
  /** `forth` drops only what the first host sends to the second. Default `both`. */
  readonly direction?: 'forth' | 'both';
}

/** Skips the test where networks cannot be made; under ZBUS_REQUIRE_ALL=1 it fails. */
export function needNetwork(context: Mocha.Context): void {
  const probe =
    `ip link add name ${BRIDGE} type bridge && ` + 'ip link add name a type veth peer name b';
  const [file, ...parameters] = [...MORTAL, ...newNamespace(true), 'sh', '-c', probe];
  const { status } = spawnSync(file, parameters, { stdio: 'ignore' });
  need(
    context,
    status === 0,
    'apt-get install iproute2 util-linux, on Linux that allows user namespaces',
  );
}

export class Host {
  readonly name: string;
  /** Reached by this from every host of the network, and from nowhere else. */
  readonly address: string;
  readonly #namespace: Namespace;

  constructor(name: string, address: string, namespace: Namespace) {
    this.name = name;
    this.address = address;
    this.#namespace = namespace;
  }

  /** As `spawn` of Node; the child's pid is that of `file`, so that it can be stopped. */
  readonly spawn = (
    file: string,
    parameters: readonly string[],
    options: SpawnOptions = {},
  ): ChildProcess => this.#namespace.spawn(file, parameters, options);
}

export class Network {
  readonly #switch: Namespace;
  readonly #namespaces: readonly Namespace[];
  readonly #hosts: readonly Host[];
  /** How each of them ends, to be run by `heal`. */
  #heals: (() => Promise<void>)[] = [];

  private constructor(center: Namespace, names: readonly string[], namespaces: Namespace[]) {
    this.#switch = center;
    this.#namespaces = namespaces;
    this.#hosts = names.map((name, i) => new Host(name, addressOf(i), namespaces[i] ?? center));
  }

  static async create(names: readonly string[]): Promise<Network> {
    const center = await Namespace.open(MORTAL, newNamespace(true));
    const namespaces = await Promise.all(
      names.map(() => Namespace.open(center.enter, newNamespace(false))),
    );
    const links = namespaces.map(
      ({ pid }, i) =>
        `link add name ${portOf(i)} type veth peer name eth0 address ${hardwareOf(i)} netns ${pid}`,
    );
    const ports = names.map((_, i) => `link set dev ${portOf(i)} master ${BRIDGE} up`);
    await center.ip(
      `link add name ${BRIDGE} type bridge`,
      `link set dev ${BRIDGE} up`,
      ...links,
      ...ports,
    );
    const network = new Network(center, names, namespaces);
    await Promise.all(names.map((_, i) => network.#connect(i)));
    return network;
  }

  host(name: string): Host {
    const host = this.#hosts[this.#indexOf(name)];
    if (host === undefined) throw new Error(`there is no host ${name}`);
    return host;
  }

  /** From now on what is sent between the two is dropped, and neither is told. */
  async cut(from: string, to: string, { direction = 'both' }: CutOptions = {}): Promise<void> {
    await this.#lead(from, to, NOBODY);
    if (direction === 'both') await this.#lead(to, from, NOBODY);
    this.#heals.push(async () => {
      await this.#lead(from, to, hardwareOf(this.#indexOf(to)));
      await this.#lead(to, from, hardwareOf(this.#indexOf(from)));
    });
  }

  /** Pulls the cable of the host, which sees that its link is down. */
  async unplug(name: string): Promise<void> {
    const port = portOf(this.#indexOf(name));
    await this.#switch.ip(`link set dev ${port} down`);
    this.#heals.push(() => this.#switch.ip(`link set dev ${port} up`));
  }

  /** Ends all that `cut` and `unplug` did. */
  async heal(): Promise<void> {
    const heals = this.#heals;
    this.#heals = [];
    for (const heal of heals) await heal();
  }

  /** Tells the host where the others are, so that nobody has to ask: a cut is a wrong answer. */
  async #connect(index: number): Promise<void> {
    const others = this.#hosts.flatMap((_, i) =>
      i === index ? [] : [neighbour(i, hardwareOf(i))],
    );
    await this.#namespaces[index]?.ip(
      'link set dev lo up',
      `address add ${addressOf(index)}/24 dev eth0`,
      'link set dev eth0 up',
      ...others,
    );
  }

  async #lead(from: string, to: string, hardware: string): Promise<void> {
    await this.#namespaces[this.#indexOf(from)]?.ip(neighbour(this.#indexOf(to), hardware));
  }

  #indexOf(name: string): number {
    const index = this.#hosts.findIndex((host) => host.name === name);
    if (index < 0) throw new Error(`there is no host ${name}`);
    return index;
  }
}

/** A network namespace, kept by a process that ends with its standard input, and so with us. */
class Namespace {
  /** What to put before a command, so that it runs there. */
  readonly enter: readonly string[];
  readonly pid: number;

  private constructor(pid: number) {
    this.pid = pid;
    this.enter = [
      ...['nsenter', '--target', String(pid), '--user', '--preserve-credentials', '--net'],
      ...MORTAL,
    ];
  }

  /** `outside` runs a command where the namespace is to be made, `make` makes it. */
  static async open(outside: readonly string[], make: readonly string[]): Promise<Namespace> {
    const [file, ...parameters] = [...outside, ...make, 'cat'];
    const keeper = spawn(file, parameters, { stdio: ['pipe', 'pipe', 'inherit'] });
    const exited = once(keeper, 'exit');
    onCleanUp(async () => {
      keeper.kill('SIGKILL');
      await exited;
    });
    keeper.stdin.on('error', () => undefined);
    // It is there once what runs in it answers.
    keeper.stdin.write('here\n');
    await Promise.race([
      once(keeper.stdout, 'data'),
      exited.then(([code]) => {
        throw new Error(`${file} ended with ${String(code)}`);
      }),
    ]);
    return new Namespace(keeper.pid ?? -1);
  }

  spawn(file: string, parameters: readonly string[], options: SpawnOptions): ChildProcess {
    const [enter = '', ...rest] = this.enter;
    const child = spawn(enter, [...rest, file, ...parameters], options);
    const exited = once(child, 'exit');
    onCleanUp(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await exited;
    });
    return child;
  }

  /** Runs commands of `ip` there. */
  async ip(...commands: readonly string[]): Promise<void> {
    const [file, ...parameters] = [...this.enter, 'ip', '-batch', '-'];
    const child = spawn(file, parameters, { stdio: ['pipe', 'inherit', 'inherit'] });
    child.stdin.end(`${commands.join('\n')}\n`);
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`ip failed at one of: ${commands.join('; ')}`);
  }
}

/** `asRoot`: in a user namespace, where whoever runs this may do what root may. */
function newNamespace(asRoot: boolean): readonly string[] {
  return asRoot ? ['unshare', '--user', '--map-root-user', '--net'] : ['unshare', '--net'];
}

function addressOf(index: number): string {
  return `${SUBNET}.${index + 1}`;
}

function hardwareOf(index: number): string {
  return HARDWARE + (index + 1).toString(16).padStart(2, '0');
}

function portOf(index: number): string {
  return `port${index}`;
}

function neighbour(index: number, hardware: string): string {
  return `neigh replace ${addressOf(index)} lladdr ${hardware} dev eth0 nud permanent`;
}
