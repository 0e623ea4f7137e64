/**
 * Programs of the family and the client as callers and services of one topic, all at once: every
 * call is run by one service and answered with its own answer.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { type Answer, RecordedPeer, type Version, versions } from '../../support/recorded-peer.js';
import type { Reply } from '../../support/reply-parser.js';
import { RPC_MASK } from '../../support/rpc-service.js';
import { openBus } from '../client/buses.js';

const CALLS = 1000;
const PEERS = 8;
const TOPIC = 'calc';

/** What a call is answered with: the text it sent, and who ran it. */
interface Echoed {
  readonly text: string;
  readonly by: string;
}

interface Echo {
  echo(text: string): Echoed;
}

function textOf(caller: number, n: number): string {
  return `call ${n} of ${caller}: größer 注文 👩‍👩‍👧`;
}

function versionOf(index: number): Version {
  return versions[index % versions.length] ?? '0.8';
}

/** Counts how often each text was run, and by whom. */
class Ledger {
  readonly runs = new Map<string, string[]>();

  run(text: string, by: string): Echoed {
    const runs = this.runs.get(text) ?? [];
    runs.push(by);
    this.runs.set(text, runs);
    return { text, by };
  }

  /** Asserts that each of these answers is that of the one run of its call. */
  assertAnswers(texts: readonly string[], answers: readonly Echoed[]): void {
    assert.deepEqual(
      answers,
      texts.map((text) => ({ text, by: this.runs.get(text)?.[0] })),
    );
  }

  assertOnceEach(calls: number): void {
    assert.equal(this.runs.size, calls);
    const twice = [...this.runs].filter(([, runs]) => runs.length !== 1);
    assert.deepEqual(twice, []);
  }

  get services(): ReadonlySet<string> {
    return new Set([...this.runs.values()].flat());
  }
}

describe('programs of the family and the client, calls at once', () => {
  let broker: TestBroker;
  let ledger: Ledger;

  beforeEach(async () => {
    ledger = new Ledger();
    broker = await TestBroker.start();
    await (await openBus(broker)).declare(TOPIC, { topicMask: RPC_MASK });
  });
  afterEach(cleanUp);

  /** A service of the family, whose calls the broker waits to hand out. */
  async function startTheirs(index: number): Promise<string> {
    const by = `theirs ${index}`;
    const peer = await RecordedPeer.connect(broker.port, versionOf(index));
    const run = (call: Reply): Answer => {
      const { params } = JSON.parse(call.body.toString()) as { params: [string] };
      return { body: JSON.stringify({ result: ledger.run(params[0], by) }) };
    };
    void peer.serve(TOPIC, run, 4);
    await peer.client.fence();
    return by;
  }

  async function startOurs(index: number): Promise<string> {
    const by = `ours ${index}`;
    const service: Echo = { echo: (text) => ledger.run(text, by) };
    await (await openBus(broker)).serve(TOPIC, service, { concurrency: 4 });
    return by;
  }

  async function callRecorded(caller: number, texts: readonly string[]): Promise<Echoed[]> {
    const peer = await RecordedPeer.connect(broker.port, versionOf(caller));
    const replies = texts.map((text) =>
      peer.call(TOPIC, JSON.stringify({ method: 'echo', params: [text], module: '' })),
    );
    return (await Promise.all(replies)).map(resultOf);
  }

  async function callByUrl(caller: number, texts: readonly string[]): Promise<Echoed[]> {
    const peer = await RecordedPeer.connect(broker.port, '0.8');
    const start = versionOf(caller) === '0.8' ? `/rpc/${TOPIC}/echo` : `/${TOPIC}//echo`;
    const replies = texts.map((text) => peer.callUrl(`${start}/${encodeURIComponent(text)}`));
    return (await Promise.all(replies)).map(resultOf);
  }

  async function callOurs(texts: readonly string[]): Promise<Echoed[]> {
    const remote = (await openBus(broker)).rpc<Echo>(TOPIC);
    return Promise.all(texts.map((text) => remote.echo(text)));
  }

  async function startAll(start: (index: number) => Promise<string>): Promise<string[]> {
    return Promise.all(Array.from({ length: PEERS / 2 }, (_, index) => start(index)));
  }

  const textsOf = (caller: number, count: number): string[] =>
    Array.from({ length: count }, (_, n) => textOf(caller, n));

  it("1,000 calls of the client's are shared by services of the family", async () => {
    const services = await startAll(startTheirs);
    const texts = textsOf(0, CALLS);
    ledger.assertAnswers(texts, await callOurs(texts));
    ledger.assertOnceEach(CALLS);
    assert.deepEqual([...ledger.services].sort(), services);
  });

  it("1,000 calls of programs of the family are shared by the client's services", async () => {
    const services = await startAll(startOurs);
    const each = CALLS / PEERS;
    await Promise.all(
      Array.from({ length: PEERS }, async (_, caller) => {
        const texts = textsOf(caller, each);
        ledger.assertAnswers(texts, await callRecorded(caller, texts));
      }),
    );
    ledger.assertOnceEach(CALLS);
    assert.deepEqual([...ledger.services].sort(), services);
  });

  it('1,000 calls in every way, over services of both, are each answered by its own', async () => {
    const services = [...(await startAll(startOurs)), ...(await startAll(startTheirs))];
    const each = CALLS / PEERS;
    const ways = [
      callRecorded,
      callByUrl,
      (_: number, texts: readonly string[]) => callOurs(texts),
    ];
    await Promise.all(
      Array.from({ length: PEERS }, async (_, caller) => {
        // Each way with both versions.
        const call = ways[Math.floor(caller / versions.length) % ways.length] ?? callRecorded;
        const texts = textsOf(caller, each);
        ledger.assertAnswers(texts, await call(caller, texts));
      }),
    );
    ledger.assertOnceEach(CALLS);
    assert.deepEqual([...ledger.services].sort(), services);
  });
});

function resultOf(reply: Reply): Echoed {
  assert.equal(reply.status, 200, reply.body.toString());
  return (JSON.parse(reply.body.toString()) as { result: Echoed }).result;
}
