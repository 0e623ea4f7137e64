/**
 * What runs in the page: each function is called there by client.test.ts, with the client that the
 * broker serves in place of src/browser.ts. Takes and returns what JSON can hold.
 */
import { type Bus, connect, Mask, type PageConnectOptions, ZbusError } from '../../src/browser.js';
import { rpcCases } from '../support/rpc-cases.js';

/** What the consumers of this page got, for the test to look at. */
const seen: string[] = [];
let bus: Bus | undefined;

export async function open(address?: string, options: PageConnectOptions = {}): Promise<string> {
  bus = await connect(address, { reconnect: { minMs: 10, maxMs: 50 }, ...options });
  return bus.state;
}

export async function close(): Promise<string> {
  await opened().close();
  return opened().state;
}

function opened(): Bus {
  if (bus === undefined) throw new Error('open first');
  return bus;
}

/** The code and text of the error that `open` ends with. */
export async function refusal(address?: string, options?: PageConnectOptions): Promise<string> {
  try {
    return await open(address, options);
  } catch (error) {
    return told(error);
  }
}

/** `retry offset` of each of `count` messages that are given back once, by their turn. */
export async function produceAndAck(count: number): Promise<string[]> {
  await opened().declare('acked', { group: 'g', mask: Mask.ackRequired });
  for (let i = 0; i < count; i++) await opened().produce('acked', { i });
  const outcome: string[] = [];
  for await (const message of opened().consume<{ i: number }>('acked', { group: 'g' })) {
    outcome.push(`${message.retry} ${message.json().i}`);
    if (message.retry === 0) await message.nack();
    else await message.ack();
    if (outcome.length === 2 * count) break;
  }
  return outcome;
}

/** Content type and body of what comes back for each kind of body. */
export async function bodies(): Promise<string[]> {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const sent = ['', 'é 😀 \r\n', { text: 'ü', list: [1, null] }, bytes, bytes.buffer, undefined];
  await opened().declare('bodies', { group: 'g' });
  for (const body of sent) await opened().produce('bodies', body, { headers: { 'x-own': 'ß' } });
  const outcome: string[] = [];
  for await (const message of opened().consume('bodies', { group: 'g' })) {
    const isBytes = message.contentType === 'application/octet-stream';
    const body = isBytes ? message.bytes.join() === bytes.join() : message.text();
    outcome.push(`${message.headers['x-own'] ?? ''} ${message.contentType} ${body}`);
    if (outcome.length === sent.length) break;
  }
  return outcome;
}

/** True when so many bytes come back as they were. */
export async function roundTrip(length: number): Promise<boolean> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31) >> 3;
  await opened().declare('large');
  const { offset } = await opened().produce('large', bytes);
  const { bytes: back } = await opened().client.read('large', offset);
  for (let i = 0; i < length; i++) if (back[i] !== bytes[i]) return false;
  return back.length === length;
}

export async function filtered(filter: string, tags: readonly string[]): Promise<string[]> {
  await opened().declare('tagged', { group: 'g', filter });
  for (const tag of tags) await opened().produce('tagged', tag, { tag });
  await opened().produce('tagged', 'the end', { tag: 'eu.end' });
  const outcome: string[] = [];
  for await (const message of opened().consume('tagged', { group: 'g' })) {
    if (message.text() === 'the end') break;
    outcome.push(message.text());
  }
  return outcome;
}

/** Consumes until the bus is closed; see `seenSoFar`. */
export function consumeOn(topic: string): void {
  const messages = opened().consume(topic, { mask: Mask.ackRequired });
  void (async () => {
    for await (const message of messages) {
      seen.push(message.text());
      await message.ack().catch(() => undefined);
    }
    seen.push('the end');
  })();
}

export function seenSoFar(): string[] {
  return seen;
}

export function state(): string {
  return opened().state;
}

/** `ok`, or the code and text of what a produce ends with. */
export async function produce(topic: string, length: number): Promise<string> {
  try {
    await opened().produce(topic, new Uint8Array(length));
    return 'ok';
  } catch (error) {
    return told(error);
  }
}

function told(error: unknown): string {
  return error instanceof ZbusError
    ? `${error.name} ${error.code}: ${error.message}`
    : String(error);
}

// ---- RPC ---------------------------------------------------------------------------------------

export interface Calculator {
  plus(a: number, b: number): number;
  echo(value: unknown): unknown;
  fail(): void;
}

export const calculator: Calculator = {
  plus: (a, b) => a + b,
  echo: (value) => value,
  fail: () => {
    throw Object.assign(new Error('as it was told'), { code: 'TOLD' });
  },
};

export async function serve(topic: string): Promise<void> {
  await opened().serve(topic, calculator);
}

export function callPlus(topic: string, a: number, b: number): Promise<number> {
  return opened().rpc<Calculator>(topic).plus(a, b);
}

export function callEcho(topic: string, value: unknown): Promise<unknown> {
  return opened().rpc<Calculator>(topic).echo(value);
}

export async function callFail(topic: string): Promise<unknown> {
  try {
    await opened().rpc<Calculator>(topic).fail();
    return 'no error';
  } catch (error) {
    const { name, code, message } = error as Error & { code: string };
    return [name, code, message];
  }
}

/** Many calls at once, each answered by its own answer. */
export async function callMany(topic: string, count: number): Promise<boolean> {
  const calc = opened().rpc<Calculator>(topic);
  const sums = await Promise.all(Array.from({ length: count }, (_, i) => calc.plus(i, 1)));
  return sums.every((sum, i) => sum === i + 1);
}

/** Runs a case of rpc-cases.ts on the broker that the page came from. */
export async function runRpcCase(name: string): Promise<void> {
  const buses: Bus[] = [];
  const openAnother = async (): Promise<Bus> => {
    const another = await connect();
    buses.push(another);
    return another;
  };
  const wanted = rpcCases.find((one) => one.name === name);
  if (wanted === undefined) throw new Error(`no case ${name}`);
  try {
    await wanted.run(openAnother);
  } finally {
    await Promise.all(buses.map((one) => one.close({ timeoutMs: 0 })));
  }
}
