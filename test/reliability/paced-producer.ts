/**
 * A producer that sends at a given rate as long as it is asked to, and no faster than the broker
 * takes it. Used by slow-consumer.test.ts.
 */
import assert from 'node:assert/strict';
import { onCleanUp } from '../support/cleanup.js';
import type { Headers } from '../support/client.js';
import { Peer } from './peer.js';

const TICK_MS = 5;
/** Sent and not acknowledged at most: a broker that falls behind is not buried. */
const WINDOW = 200;

export class PacedProducer {
  acknowledged = 0;
  #sent = 0;
  readonly #peer: Peer;
  #timer: NodeJS.Timeout | null = null;
  #allAcknowledged: (() => void) | null = null;

  private constructor(peer: Peer) {
    this.#peer = peer;
    onCleanUp(() => {
      this.#stopTimer();
    });
  }

  static async connect(port: number): Promise<PacedProducer> {
    const peer = await Peer.connect(port, (reply) => {
      assert.equal(reply.status, 200, reply.body.toString());
      producer.#acknowledge();
    });
    const producer = new PacedProducer(peer);
    return producer;
  }

  /** Produces `perSecond` messages a second with these headers until stopped. */
  start(headers: Headers, body: Buffer, perSecond: number): void {
    const beganMs = performance.now();
    let due = 0;
    let begun = 0;
    this.#timer = setInterval(() => {
      due = ((performance.now() - beganMs) / 1000) * perSecond;
      for (; begun < due; begun++) {
        if (this.#sent - this.acknowledged === WINDOW) return;
        this.#peer.send({ cmd: 'produce', ...headers }, body);
        this.#sent++;
      }
    }, TICK_MS);
  }

  /** Resolves once all that was sent is acknowledged. */
  async stop(): Promise<void> {
    this.#stopTimer();
    if (this.acknowledged === this.#sent) return;
    await new Promise<void>((resolve) => {
      this.#allAcknowledged = resolve;
    });
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  #acknowledge(): void {
    this.acknowledged++;
    if (this.acknowledged === this.#sent) this.#allAcknowledged?.();
  }
}
