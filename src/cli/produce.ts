/**
 * `zbus produce`: sends one message, or one for each line of a stream of any length. Added to the
 * command line by program.ts. Promises that an offset is printed for each message that was
 * acknowledged, in the order of sending, and that an end before its time says how many were.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { Bus } from '../client/bus.js';
import type { AskedLevel, Produced, ProduceOptions } from '../client/mq-client.js';
import { withBus } from './client-command.js';
import { addConnectionOptions, type ConnectionFlags } from './connection-options.js';
import { readEnvelope } from './envelope.js';
import { linesOf, wholeOf } from './lines.js';
import { ackLevelOption, header, wholeNumber } from './option-values.js';
import { CommandError, Interrupted, note, UsageError } from './outcome.js';
import { print } from './output.js';
import { SendWindow } from './send-window.js';

const BODY_BYTES_MAX = 16 * 1024 * 1024;
/** What is in flight at Ctrl-C may be answered this long. */
const ANSWER_TIME_MS = 3000;

const AFTER_HELP = `
Examples:
  zbus produce orders 'first order' --tag eu.paid
  zbus produce orders < order.json
  journalctl -f | zbus produce log --lines --quiet
  zbus tail orders -n 100 --json | zbus produce copy --json-lines --declare`;

interface ProduceFlags extends ConnectionFlags {
  readonly file?: string;
  readonly lines?: boolean;
  readonly jsonLines?: boolean;
  readonly tag?: string;
  readonly header?: Readonly<Record<string, string>>;
  readonly id?: string;
  readonly contentType?: string;
  readonly ackLevel?: AskedLevel;
  readonly count?: number;
  readonly rate?: number;
  readonly declare?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

interface Outgoing {
  readonly body: Buffer;
  readonly options: ProduceOptions;
}

export function defineProduceCommand(command: Command): void {
  command
    .argument('<topic>', 'where to')
    .argument('[body]', 'the message; absent or -: stdin, to its end')
    .option('-f, --file <file>', 'read this instead of stdin')
    .option('-l, --lines', 'one message a line, as they come')
    .option('--json-lines', 'one message a line, as consume --json prints them')
    .option('--tag <tag>', 'what filters of groups look at')
    .addOption(
      new Option('-H, --header <name: value>', 'handed to consumers; may be given again').argParser(
        header,
      ),
    )
    .option('--id <id>', 'id of the message; made up when absent')
    .option('--content-type <type>', 'default: text/plain for UTF-8, else octet-stream')
    .addOption(ackLevelOption('what an answer must mean (default: as the topic says)'))
    .addOption(
      new Option('--count <n>', 'send it so often; of lines: at most so many').argParser(
        wholeNumber(1),
      ),
    )
    .addOption(
      new Option('--rate <n>', 'at most so many a second').argParser(wholeNumber(1, 1_000_000)),
    )
    .option('--declare', 'make the topic when it is not there')
    .option('--json', 'print a JSON object for each message instead of its offset')
    .option('-q, --quiet', 'print nothing')
    .allowExcessArguments(false)
    .addHelpText('after', AFTER_HELP)
    .action(produce);
  addConnectionOptions(command);
}

async function produce(
  topic: string,
  body: string | undefined,
  flags: ProduceFlags,
): Promise<void> {
  checkUsage(body, flags);
  await withBus(
    flags,
    async (bus, interrupted) => {
      if (flags.declare === true) await bus.declare(topic, { signal: interrupted });
      await sendAll(bus, topic, messages(body, flags, interrupted), flags, interrupted);
    },
    { onInterrupt: 'finish' },
  );
}

function checkUsage(body: string | undefined, flags: ProduceFlags): void {
  const { file, lines = false, jsonLines = false, id, count = 1 } = flags;
  const given = body !== undefined && body !== '-';
  const refused: readonly (readonly [boolean, string])[] = [
    [given && file !== undefined, 'a message and --file: which one?'],
    [lines && jsonLines, '--lines and --json-lines: which one?'],
    [given && (lines || jsonLines), '--lines and --json-lines read stdin or --file'],
    [id !== undefined && (lines || jsonLines || count > 1), '--id names one message alone'],
  ];
  for (const [isRefused, reason] of refused) if (isRefused) throw new UsageError(reason);
}

/** What the command line asks to be sent. Ends with the reason of the signal when it is aborted. */
async function* messages(
  body: string | undefined,
  flags: ProduceFlags,
  interrupted: AbortSignal,
): AsyncGenerator<Outgoing, void> {
  const { lines = false, jsonLines = false } = flags;
  if (body !== undefined && body !== '-') {
    yield* repeated(outgoing(Buffer.from(body), flags), flags.count ?? 1);
    return;
  }
  const input = openInput(flags, interrupted);
  if (!lines && !jsonLines) {
    const whole = await wholeOf(input, BODY_BYTES_MAX);
    yield* repeated(outgoing(whole, flags), flags.count ?? 1);
    return;
  }
  let lineNumber = 0;
  for await (const line of linesOf(input, BODY_BYTES_MAX)) {
    lineNumber++;
    yield jsonLines ? enveloped(line, lineNumber, flags) : outgoing(line, flags);
    if (lineNumber === flags.count) return;
  }
}

function* repeated(message: Outgoing, count: number): Generator<Outgoing, void> {
  for (let i = 0; i < count; i++) yield message;
}

async function* openInput(
  { file, lines, jsonLines }: ProduceFlags,
  interrupted: AbortSignal,
): AsyncGenerator<Buffer, void> {
  const input: Readable = file === undefined ? process.stdin : createReadStream(file);
  if (file === undefined && process.stdin.isTTY) {
    const each = lines === true || jsonLines === true ? ', one message a line' : '';
    note(`reading from the terminal${each}; Ctrl-D ends`);
  }
  const onAbort = (): void => void input.destroy(interrupted.reason as Error);
  interrupted.addEventListener('abort', onAbort);
  try {
    yield* input as AsyncIterable<Buffer>;
  } catch (cause) {
    if (cause instanceof Interrupted) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CommandError(`cannot read: ${reason}`, { cause });
  } finally {
    interrupted.removeEventListener('abort', onAbort);
    input.destroy();
  }
}

function outgoing(body: Buffer, flags: ProduceFlags): Outgoing {
  const { tag, id, ackLevel } = flags;
  const contentType = isUtf8(body) ? 'text/plain; charset=utf-8' : 'application/octet-stream';
  const type = flags.contentType ?? flags.header?.['content-type'] ?? contentType;
  return {
    body,
    options: {
      headers: { ...flags.header, 'content-type': type },
      ...(tag === undefined ? {} : { tag }),
      ...(id === undefined ? {} : { id }),
      ...(ackLevel === undefined ? {} : { ackLevel }),
    },
  };
}

/** What the line says counts before what the command line says. */
function enveloped(line: Buffer, lineNumber: number, flags: ProduceFlags): Outgoing {
  const { body, headers, ...own } = readEnvelope(line, lineNumber);
  const { options } = outgoing(body, flags);
  return { body, options: { ...options, ...own, headers: { ...options.headers, ...headers } } };
}

async function sendAll(
  bus: Bus,
  topic: string,
  sent: AsyncIterable<Outgoing>,
  { rate, json, quiet }: ProduceFlags,
  interrupted: AbortSignal,
): Promise<void> {
  const window = new SendWindow(async (produced) => {
    if (quiet !== true) await print(json === true ? jsonLine(produced) : `${produced.offset}\n`);
  });
  const pace = rate === undefined ? null : new Pace(rate);
  try {
    for await (const { body, options } of sent) {
      await pace?.wait(interrupted);
      interrupted.throwIfAborted();
      await window.send(body.length, options.id, () => bus.produce(topic, body, options));
    }
    await window.finish();
  } catch (error) {
    await Promise.race([window.finish().catch(ignore), sleep(ANSWER_TIME_MS)]);
    tellCounts(window, error);
    throw error;
  }
}

function jsonLine(produced: Produced): string {
  return `${JSON.stringify(produced)}\n`;
}

function tellCounts({ ackedCount, openCount }: SendWindow, error: unknown): void {
  if (ackedCount === 0 && openCount === 0 && !(error instanceof Interrupted)) return;
  const open = openCount === 0 ? '' : `, ${openCount} without an answer, which may be stored`;
  const messages = ackedCount === 1 ? '1 message' : `${ackedCount} messages`;
  const start = error instanceof Interrupted ? 'interrupted: ' : '';
  note(`${start}${messages} acknowledged${open}`);
}

/** Timers are no finer than a millisecond or two: what was late is made up for, but not more. */
const BEHIND_MS_MAX = 100;

/** Holds to so many a second, on the average. */
class Pace {
  readonly #intervalMs: number;
  #nextMs = performance.now();

  constructor(rate: number) {
    this.#intervalMs = 1000 / rate;
  }

  /** Rejects with the reason of the signal. */
  async wait(signal: AbortSignal): Promise<void> {
    const nowMs = performance.now();
    if (this.#nextMs > nowMs) {
      await sleep(this.#nextMs - nowMs, null, { signal }).catch(ignore);
    }
    signal.throwIfAborted();
    this.#nextMs = Math.max(this.#nextMs, nowMs - BEHIND_MS_MAX) + this.#intervalMs;
  }
}

function ignore(): void {
  // Its outcome is told by others.
}
