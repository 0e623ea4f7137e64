/**
 * The client while its broker is killed, restarted and stopped, and while the network is cut: what
 * was acknowledged is there, consumers and services go on by themselves, what is there twice had no
 * answer when its connection was lost, calls end in time and run once.
 * CLIENT_FAULT_ROUNDS makes it a long run, with faults up to 12 s.
 */
import { cleanUp } from '../support/cleanup.js';
import { needNetwork, Network } from '../support/namespace.js';
import { ClientTrial, type Fault, HOSTS, SILENCE_MS_MAX } from './client-trial.js';

const ROUNDS = Number(process.env.CLIENT_FAULT_ROUNDS ?? 1);
const LONG = ROUNDS > 1;
const DOWN_MS_MAX = LONG ? 12_000 : 1000;
const ROUND_TIMEOUT_MS = 180_000;

describe('the client', function () {
  this.timeout(ROUNDS * ROUND_TIMEOUT_MS);
  afterEach(cleanUp);

  it('loses nothing when its broker is killed or stopped, and goes on by itself', async () => {
    const trial = new ClientTrial(null);
    await trial.start();
    for (let round = 0; round < ROUNDS; round++) {
      for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL'] as const) {
        await trial.suffer(endOf(trial, signal), trial.random() * DOWN_MS_MAX);
      }
    }
    await trial.finish();
  });

  describe('on a network', () => {
    before(function () {
      needNetwork(this);
    });

    it('loses nothing when it is cut, and goes on by itself', async () => {
      const network = await Network.create(HOSTS);
      const trial = new ClientTrial(network);
      await trial.start();
      for (let round = 0; round < ROUNDS; round++) {
        for (const fault of [...cuts(network), frozen(trial)]) {
          await trial.suffer(fault, lastsMs(trial));
        }
        await trial.suffer(endOf(trial, 'SIGKILL'), trial.random() * DOWN_MS_MAX);
      }
      await trial.finish();
    });
  });
});

/** Seen by all in a short run; of any length in a long one. */
function lastsMs(trial: ClientTrial): number {
  return LONG ? 1000 + trial.random() * (DOWN_MS_MAX - 1000) : SILENCE_MS_MAX;
}

function endOf(trial: ClientTrial, signal: 'SIGKILL' | 'SIGTERM'): Fault {
  return {
    name: `the broker ended by ${signal}`,
    hits: ['produce', 'consume'],
    begin: () => trial.endBroker(signal),
    end: () => trial.startBroker(),
  };
}

/** Its sockets are there and say nothing. */
function frozen(trial: ClientTrial): Fault {
  const signal = (name: NodeJS.Signals) => (): Promise<void> => {
    trial.broker?.signal(name);
    return Promise.resolve();
  };
  return {
    name: 'the broker frozen by SIGSTOP',
    hits: ['produce', 'consume'],
    begin: signal('SIGSTOP'),
    end: signal('SIGCONT'),
  };
}

function cuts(network: Network): Fault[] {
  const end = (): Promise<void> => network.heal();
  return [
    {
      name: 'the cable of the broker pulled',
      hits: ['produce', 'consume'],
      begin: () => network.unplug('broker'),
      end,
    },
    {
      name: 'producers cut off both ways',
      hits: ['produce'],
      begin: () => network.cut('produce', 'broker'),
      end,
    },
    {
      name: 'nothing from producers to the broker',
      hits: ['produce'],
      begin: () => network.cut('produce', 'broker', { direction: 'forth' }),
      end,
    },
    {
      name: 'nothing from the broker to producers',
      hits: ['produce'],
      begin: () => network.cut('broker', 'produce', { direction: 'forth' }),
      end,
    },
    {
      name: 'nothing from the broker to consumers',
      hits: ['consume'],
      begin: () => network.cut('broker', 'consume', { direction: 'forth' }),
      end,
    },
  ];
}
