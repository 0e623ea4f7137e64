/**
 * Several servers as one while they are killed, stopped and paused, while the network between all
 * is cut, and while trackers are gone: every message is stored, nothing acknowledged is lost, calls
 * end in time and run once, and traffic goes on. HA_FAULT_ROUNDS above 1 makes it a long run.
 */
import { cleanUp } from '../support/cleanup.js';
import type { Network } from '../support/namespace.js';
import { type CutOptions, needNetwork } from '../support/namespace.js';
import { type HaFault, type HostName, HaTrial, SERVERS } from './ha-trial.js';

const ROUNDS = Number(process.env.HA_FAULT_ROUNDS ?? 1);
const LONG = ROUNDS > 1;
const LASTS_MS = 4000;
const PAUSE_MS = 20_000;
const TRIAL_TIMEOUT_MS = 240_000;

describe('several servers as one', function () {
  this.timeout(ROUNDS * 3 * TRIAL_TIMEOUT_MS);
  before(function () {
    needNetwork(this);
  });
  afterEach(cleanUp);

  it('lose nothing, and let traffic go on, while some of them fail', async () => {
    const trial = await HaTrial.start();
    for (let round = 0; round < ROUNDS; round++) {
      for (const fault of [...ends(trial), ...cuts(trial), ...pauses(trial)]) {
        await trial.suffer(fault);
      }
    }
    await trial.finish();
  });
});

function ends(trial: HaTrial): HaFault[] {
  const end = (host: HostName, signal: 'SIGKILL' | 'SIGTERM'): HaFault => ({
    name: `${host} ended by ${signal}`,
    lastsMs: 1000,
    hits: SERVERS.filter((name) => name === host),
    begin: () => trial.endBroker(host, signal),
    end: () => trial.startBroker(host),
  });
  const trackers = ['tracker1', 'tracker2'] as const;
  return [
    ...SERVERS.map((host) => end(host, 'SIGKILL')),
    ...trackers.map((host) => end(host, 'SIGKILL')),
    end('server1', 'SIGTERM'),
    {
      name: 'both trackers killed',
      lastsMs: LASTS_MS,
      hits: [],
      begin: async () => {
        for (const host of trackers) await trial.endBroker(host, 'SIGKILL');
      },
      end: async () => {
        for (const host of trackers) await trial.startBroker(host);
      },
    },
  ];
}

function cuts(trial: HaTrial): HaFault[] {
  const { network } = trial;
  type Link = readonly [from: HostName, to: HostName, direction?: CutOptions['direction']];
  const cut = (name: string, hits: readonly HostName[], ...links: readonly Link[]): HaFault => ({
    name,
    lastsMs: LASTS_MS,
    hits,
    begin: async () => {
      for (const [from, to, direction = 'both'] of links) {
        await network.cut(from, to, { direction });
      }
    },
    end: () => heal(network),
  });
  return [
    cut('producers and server1 cut off', ['server1'], ['produce', 'server1']),
    cut('nothing from producers to server2', ['server2'], ['produce', 'server2', 'forth']),
    cut('nothing from server3 to producers', ['server3'], ['server3', 'produce', 'forth']),
    cut('consumers and server1 cut off', ['server1'], ['consume', 'server1']),
    cut('nothing from server2 to consumers', ['server2'], ['server2', 'consume', 'forth']),
    cut('tracker1 and server1 cut off', ['server1'], ['tracker1', 'server1']),
    cut(
      'nothing from server1 to both trackers',
      ['server1'],
      ['server1', 'tracker1', 'forth'],
      ['server1', 'tracker2', 'forth'],
    ),
    cut(
      'tracker1 without server2 and server3',
      [...SERVERS],
      ['tracker1', 'server2'],
      ['tracker1', 'server3'],
    ),
    {
      name: 'the cable of server3 pulled',
      lastsMs: LASTS_MS,
      hits: ['server3'],
      begin: () => network.unplug('server3'),
      end: () => heal(network),
    },
  ];
}

function heal(network: Network): Promise<void> {
  return network.heal();
}

/** Its sockets are there and say nothing. */
function pauses(trial: HaTrial): HaFault[] {
  const paused = LONG ? SERVERS : SERVERS.slice(1, 2);
  return paused.map((host) => ({
    name: `${host} paused by SIGSTOP for ${PAUSE_MS / 1000} s`,
    lastsMs: PAUSE_MS,
    hits: [host],
    begin: () => {
      trial.signal(host, 'SIGSTOP');
      return Promise.resolve();
    },
    end: () => {
      trial.signal(host, 'SIGCONT');
      return Promise.resolve();
    },
  }));
}
