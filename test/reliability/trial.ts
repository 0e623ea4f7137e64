/**
 * One trial of a broker's promises: a data folder, traffic on it, a sudden or an ordered end, and
 * the oracle's check after the restart, again and again. Used by the tests that end brokers;
 * cleaned up by cleanUp. Prints its seed, so that a failed run can be replayed with
 * RELIABILITY_SEED.
 */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { onCleanUp } from '../support/cleanup.js';
import { Client } from '../support/client.js';
import { tempFolder } from '../support/temp-folder.js';
import { BrokerProcess, type Exit } from '../support/broker-process.js';
import type { AckFigures } from './ack-ledger.js';
import { Oracle, type RoundFigures } from './oracle.js';
import { Payloads, randomOf, runSeed } from './payload.js';
import { CONSUME_WINDOW, GROUPS, GROUP_RULES, PRODUCERS, Traffic, readLog } from './traffic.js';

const RUN_MS_MIN = 20;
const RUN_MS_MAX = 1500;
/** Small blocks, so that every round fills and rolls several. */
const ENV = { ZBUS_BLOCK_BYTES: String(256 * 1024) };

export class Trial {
  readonly random: () => number;
  readonly #dir = tempFolder();
  readonly #payloads: Payloads;
  readonly #oracle = new Oracle(PRODUCERS, GROUP_RULES);
  readonly #rounds: RoundFigures[] = [];

  constructor() {
    const seed = runSeed();
    console.log(`      RELIABILITY_SEED=${seed}`);
    this.random = randomOf(seed);
    this.#payloads = new Payloads(seed);
  }

  /** Spawns a broker on the folder without waiting until it is recovered. */
  spawn(): BrokerProcess {
    const broker = new BrokerProcess({ dir: this.#dir, env: ENV });
    onCleanUp(async () => {
      await broker.end('SIGKILL');
    });
    return broker;
  }

  async start(): Promise<BrokerProcess> {
    const broker = this.spawn();
    await broker.listening();
    return broker;
  }

  async declare(): Promise<void> {
    const broker = await this.start();
    const client = await Client.connect(broker.port);
    await Traffic.declare(client);
    await broker.end('SIGKILL');
  }

  /**
   * Starts a broker, holds what it recovered against the oracle, runs new traffic on it and ends it
   * with the signal after a random time.
   */
  async run(signal: 'SIGKILL' | 'SIGTERM'): Promise<Exit> {
    const broker = await this.start();
    await this.#check(await Client.connect(broker.port));
    const traffic = new Traffic(this.#oracle, this.#payloads, this.random);
    await traffic.consume(broker.port);
    await traffic.produce(broker.port);
    await delay(RUN_MS_MIN + this.random() * (RUN_MS_MAX - RUN_MS_MIN));
    const [exit] = await Promise.all([broker.end(signal), traffic.ended()]);
    return exit;
  }

  /** The whole log once more, byte by byte; then the groups get the rest of it. */
  async finish(): Promise<void> {
    const broker = await this.start();
    const client = await Client.connect(broker.port);
    await this.#check(client);
    this.#oracle.assertLog(await readLog(client, this.#payloads, 0));
    const traffic = new Traffic(this.#oracle, this.#payloads, this.random);
    await traffic.consume(broker.port);
    await traffic.drain(client);
    this.#addRound(this.#oracle.recovered([]));
    this.#oracle.assertAllSeen();
    this.#print();
    await traffic.close();
    await client.close();
    assert.equal((await broker.end('SIGTERM')).code, 0);
  }

  /** What came back since the last check is what may and must be there. */
  async #check(client: Client): Promise<void> {
    const tail = await readLog(client, this.#payloads, this.#oracle.end);
    this.#addRound(this.#oracle.recovered(tail));
  }

  /** A group may get again what was in flight at the kill: what its consumers had asked for. */
  #addRound(figures: RoundFigures): void {
    this.#rounds.push(figures);
    for (const [group, { name, consumers, ackTimeoutMs }] of GROUPS.entries()) {
      // Of these the ledger says for each message whether it may come again.
      if (ackTimeoutMs !== null) continue;
      const repeated = figures.repeated[group] ?? 0;
      const inFlight = consumers * CONSUME_WINDOW;
      assert(repeated <= inFlight, `${name} got ${repeated} again, with ${inFlight} in flight`);
    }
  }

  #print(): void {
    const sum = (of: (round: RoundFigures) => number): number =>
      this.#rounds.reduce((total, round) => total + of(round), 0);
    const acked = sum(({ acked }) => acked);
    const repeated = GROUPS.map(
      ({ name }, i) => `${name} ${sum((round) => round.repeated[i] ?? 0)}`,
    );
    console.log(
      `      ${this.#rounds.length - 2} ends: ${sum(({ sent }) => sent)} sent, ${acked} ` +
        `acknowledged, ${sum(({ recovered }) => recovered)} recovered; ` +
        `delivered again: ${repeated.join(', ')}`,
    );
    this.#printAcks();
    assert(acked > 50 * this.#rounds.length, 'too little traffic to prove anything');
  }

  #printAcks(): void {
    const acks = this.#rounds.flatMap((round) => round.acks);
    const sum = (field: keyof AckFigures): number =>
      acks.reduce((total, figures) => total + figures[field], 0);
    console.log(
      `      with explicit acks: ${sum('settled')} acks answered, ` +
        `${sum('returned')} given back or timed out and delivered again; ` +
        `${sum('inFlight')} in flight at the ends, ${sum('repeated')} of them delivered again`,
    );
  }
}
