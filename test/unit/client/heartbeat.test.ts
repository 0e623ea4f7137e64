/** A dead peer is found, and a quiet one is asked before it is taken for dead. */
import assert from 'node:assert/strict';
import { watchLink } from '../../../src/client/heartbeat.js';
import type { Link } from '../../../src/client/transport.js';
import { ManualClock } from '../../support/manual-clock.js';

const INTERVAL_MS = 100;

class FakeLink implements Link {
  readonly congested = false;
  activity: number | undefined = 0;
  send(): void {
    assert.fail('not asked to');
  }
  flush(): void {
    assert.fail('not asked to');
  }
  end(): void {
    assert.fail('not asked to');
  }
  destroy(): void {
    assert.fail('not asked to');
  }
}

describe('heartbeat', () => {
  let clock: ManualClock;
  let link: FakeLink;
  let told: string[];

  beforeEach(() => {
    clock = new ManualClock();
    link = new FakeLink();
    told = [];
  });

  function watch(intervalMs = INTERVAL_MS): () => void {
    const ask = (): void => void told.push('ask');
    const onDead = (): void => void told.push('dead');
    return watchLink(link, { clock, intervalMs, ask, onDead });
  }

  it('does not ask a peer that is heard', () => {
    watch();
    for (let n = 1; n < 10; n++) {
      link.activity = n;
      clock.advance(INTERVAL_MS);
    }
    assert.deepEqual(told, []);
  });

  it('asks a silent peer once, and gives it up when it stays silent', () => {
    watch();
    clock.advance(INTERVAL_MS);
    assert.deepEqual(told, ['ask']);
    clock.advance(INTERVAL_MS - 1);
    assert.deepEqual(told, ['ask']);
    clock.advance(1);
    assert.deepEqual(told, ['ask', 'dead']);
  });

  it('asks a peer again that has answered', () => {
    watch();
    for (let n = 1; n <= 3; n++) {
      clock.advance(INTERVAL_MS);
      link.activity = n;
      clock.advance(INTERVAL_MS);
    }
    assert.deepEqual(told, ['ask', 'ask', 'ask']);
  });

  it('ends when it is stopped, and is not there where it makes no sense', () => {
    watch()();
    watch(Infinity);
    link.activity = undefined;
    watch();
    clock.advance(1e6);
    assert.deepEqual(told, []);
  });
});
