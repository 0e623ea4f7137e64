/**
 * The options of the server: THE list of their names, defaults, ranges and meanings. The cli makes
 * its flags and its help from it, config-sources.ts reads flags, environment and file against it,
 * tests hold docs/operations.md to it. An option's unit ends its name; sizes and times are whole
 * numbers.
 */
import { z } from 'zod';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** What help and documents say of an option. */
export interface OptionInfo {
  readonly group: 'Server' | 'Storage' | 'Limits' | 'Timeouts' | 'Log';
  readonly description: string;
  readonly example: string;
  /** Shown after the flag; a switch has none. */
  readonly placeholder?: string;
}

const optionInfos = z.registry<OptionInfo>();

const SIZE = /^(\d+)\s*(B|KiB|MiB|GiB)?$/i;
const SIZE_UNITS = new Map([
  ['', 1],
  ['b', 1],
  ['kib', KIB],
  ['mib', MIB],
  ['gib', GIB],
]);

/** Flags and environment hold text, so text that is a whole number counts as that number. */
function wholeNumber(min: number, max: number) {
  return z.preprocess(
    (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
    z
      .int({ error: `must be a whole number from ${min} to ${max}` })
      .min(min, { error: `must be at least ${min}` })
      .max(max, { error: `must be at most ${max}` }),
  );
}

/** Bytes: a whole number, or text such as `64KiB` or `16MiB`. */
function size(min: number, max: number) {
  return z.preprocess(
    (value) => {
      const match = typeof value === 'string' ? SIZE.exec(value) : null;
      if (match === null) return value;
      return Number(match[1]) * (SIZE_UNITS.get((match[2] ?? '').toLowerCase()) ?? 1);
    },
    z
      .int({ error: 'must be a whole number of bytes, or one followed by KiB, MiB or GiB' })
      .min(min, { error: `must be at least ${sizeText(min)}` })
      .max(max, { error: `must be at most ${sizeText(max)}` }),
  );
}

/** The shortest exact way to write a size: 65536 is `64KiB`. */
export function sizeText(bytes: number): string {
  if (bytes > 0 && bytes % GIB === 0) return `${bytes / GIB}GiB`;
  if (bytes > 0 && bytes % MIB === 0) return `${bytes / MIB}MiB`;
  if (bytes > 0 && bytes % KIB === 0) return `${bytes / KIB}KiB`;
  return `${bytes}`;
}

const HOST = /^[a-z0-9._-]+$/i;
const ORIGIN = /^https?:\/\/[a-z0-9.:[\]_-]+$/i;

/** Texts between commas, or an array of texts; compared without regard to case. */
function list(item: RegExp, rule: string) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? value.split(',').filter((text) => text !== '') : value),
    z.array(z.string({ error: rule }).trim().toLowerCase().regex(item, { error: rule }), {
      error: rule,
    }),
  );
}

const SWITCH_TEXTS = new Map<unknown, boolean>([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

function onOff() {
  return z.preprocess(
    (value) => SWITCH_TEXTS.get(value) ?? value,
    z.boolean({ error: 'must be true or false' }),
  );
}

function text() {
  return z.string({ error: 'must be text' }).min(1, { error: 'must not be empty' });
}

/** An empty text is how an environment variable says "none". */
function textOrNone() {
  return z.preprocess((value) => (value === '' ? null : value), text().nullable());
}

/** Text says "none" as a person would, or by being empty, as an environment variable does. */
function orNone<T extends z.ZodType>(schema: T) {
  return z.preprocess(
    (value) => (value === '' || value === 'none' ? null : value),
    schema.nullable(),
  );
}

const TIME_MS_MAX = 24 * 60 * 60 * 1000;

function timeMs(min: number) {
  return wholeNumber(min, TIME_MS_MAX);
}

export const configSchema = z.strictObject({
  serverAddress: text()
    .default('127.0.0.1:15555')
    .register(optionInfos, {
      group: 'Server',
      placeholder: 'host:port',
      description:
        'address to listen on; port 0 takes a free one; without a host it is 127.0.0.1; anything ' +
        'but a loopback address lets everyone in who reaches it',
      example: '[::1]:15555',
    }),
  serverName: textOrNone().default(null).register(optionInfos, {
    group: 'Server',
    placeholder: 'host:port',
    description: 'address told to clients instead of the one listened on, such as that of a proxy',
    example: 'mq.example.com:80',
  }),
  autoCreateTopics: onOff().default(false).register(optionInfos, {
    group: 'Server',
    description: 'a produce or consume on an unknown topic creates it instead of answering 404',
    example: 'true',
  }),
  allowedHosts: list(HOST, 'must be host names between commas, such as zbus.example.com')
    .default([])
    .register(optionInfos, {
      group: 'Server',
      placeholder: 'names',
      description:
        'names besides localhost, serverName and IP addresses under which requests may reach the ' +
        'broker; a request with another Host is answered 421',
      example: 'zbus,zbus.example.com',
    }),
  allowedOrigins: list(ORIGIN, 'must be origins between commas, such as https://app.example.com')
    .default([])
    .register(optionInfos, {
      group: 'Server',
      placeholder: 'origins',
      description:
        'pages of other sites that may use the broker from a browser; those of any other are ' +
        'answered 403',
      example: 'https://app.example.com',
    }),
  mqDir: text().default('./zbus-data').register(optionInfos, {
    group: 'Storage',
    placeholder: 'folder',
    description: 'data folder, made if absent; only one broker at a time can hold it',
    example: '/var/lib/zbus',
  }),
  ackLevel: z
    .enum(['disk', 'page', 'none'], { error: 'must be disk, page or none' })
    .default('disk')
    .register(optionInfos, {
      group: 'Storage',
      placeholder: 'level',
      description:
        'what a 200 to a produce means: disk = synced, survives a power cut; page = written, ' +
        'survives the end of the process; none = accepted',
      example: 'page',
    }),
  syncIntervalMs: wholeNumber(1, 60_000).default(100).register(optionInfos, {
    group: 'Storage',
    placeholder: 'ms',
    description: 'how often records and positions are synced that nobody waits for',
    example: '1000',
  }),
  blockBytes: size(64 * KIB, GIB)
    .default(64 * MIB)
    .register(optionInfos, {
      group: 'Storage',
      placeholder: 'size',
      description: 'size at which a block file of a topic is sealed and the next one begun',
      example: '16MiB',
    }),
  minFreeBytes: size(0, Number.MAX_SAFE_INTEGER)
    .default(8 * MIB)
    .register(optionInfos, {
      group: 'Storage',
      placeholder: 'size',
      description: 'free disk space below which a produce is answered 507',
      example: '1GiB',
    }),
  openFilesMax: wholeNumber(16, 1_000_000).default(256).register(optionInfos, {
    group: 'Storage',
    placeholder: 'count',
    description: 'files of the data folder kept open at once',
    example: '1024',
  }),
  memoryTopicBytesMax: size(64 * KIB, Number.MAX_SAFE_INTEGER)
    .default(64 * MIB)
    .register(optionInfos, {
      group: 'Storage',
      placeholder: 'size',
      description: 'memory one memory topic may hold; beyond it a produce is answered 507',
      example: '256MiB',
    }),
  retentionBytes: orNone(size(512 * KIB, Number.MAX_SAFE_INTEGER))
    .default(null)
    .register(optionInfos, {
      group: 'Storage',
      placeholder: 'size',
      description: 'what a topic may hold; beyond it its oldest messages are deleted',
      example: '10GiB',
    }),
  retentionAgeMs: orNone(wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .default(null)
    .register(optionInfos, {
      group: 'Storage',
      placeholder: 'ms',
      description: 'age at which messages are deleted',
      example: '604800000',
    }),
  retentionConsumed: onOff().default(false).register(optionInfos, {
    group: 'Storage',
    description: 'messages that every group of their topic has consumed are deleted',
    example: 'true',
  }),
  headerBytesMax: size(KIB, MIB)
    .default(16 * KIB)
    .register(optionInfos, {
      group: 'Limits',
      placeholder: 'size',
      description: 'size of the start line and headers of a request; beyond it 431',
      example: '32KiB',
    }),
  headersMax: wholeNumber(8, 10_000).default(100).register(optionInfos, {
    group: 'Limits',
    placeholder: 'count',
    description: 'headers of a request; beyond it 431',
    example: '200',
  }),
  bodyBytesMax: size(0, GIB)
    .default(16 * MIB)
    .register(optionInfos, {
      group: 'Limits',
      placeholder: 'size',
      description: 'size of a body, chunks summed; beyond it 413',
      example: '1MiB',
    }),
  connectionsMax: wholeNumber(1, 1_000_000).default(10_000).register(optionInfos, {
    group: 'Limits',
    placeholder: 'count',
    description: 'connections at once; one more is answered 503',
    example: '50000',
  }),
  topicsMax: wholeNumber(1, 1_000_000).default(10_000).register(optionInfos, {
    group: 'Limits',
    placeholder: 'count',
    description: 'topics; beyond it declare is answered 429',
    example: '1000',
  }),
  groupsPerTopicMax: wholeNumber(1, 100_000).default(1000).register(optionInfos, {
    group: 'Limits',
    placeholder: 'count',
    description: 'consume groups of a topic; beyond it declare is answered 429',
    example: '100',
  }),
  inFlightMax: wholeNumber(1, 1_000_000).default(1024).register(optionInfos, {
    group: 'Limits',
    placeholder: 'count',
    description: 'unanswered requests of a connection; beyond it the connection is not read',
    example: '4096',
  }),
  unsentBytesMax: size(64 * KIB, GIB)
    .default(8 * MIB)
    .register(optionInfos, {
      group: 'Limits',
      placeholder: 'size',
      description: 'bytes a connection has not taken; beyond it nothing more is delivered to it',
      example: '32MiB',
    }),
  headerTimeoutMs: timeMs(100).default(10_000).register(optionInfos, {
    group: 'Timeouts',
    placeholder: 'ms',
    description: 'time for the headers of a request, from their first byte; beyond it 408',
    example: '5000',
  }),
  bodyTimeoutMs: timeMs(100).default(30_000).register(optionInfos, {
    group: 'Timeouts',
    placeholder: 'ms',
    description: 'time in which a body must end or go on by 64 KiB; beyond it 408',
    example: '60000',
  }),
  writeTimeoutMs: timeMs(100).default(30_000).register(optionInfos, {
    group: 'Timeouts',
    placeholder: 'ms',
    description: 'time a peer may take nothing of what is sent to it; beyond it it is cut off',
    example: '10000',
  }),
  idleTimeout: timeMs(1000).default(180_000).register(optionInfos, {
    group: 'Timeouts',
    placeholder: 'ms',
    description: 'time a connection may stay open with nothing asked and nothing owed',
    example: '600000',
  }),
  logDir: textOrNone().default(null).register(optionInfos, {
    group: 'Log',
    placeholder: 'folder',
    description: 'folder of zbus.log; without it the log goes to stderr',
    example: '/var/log/zbus',
  }),
  verbose: onOff().default(false).register(optionInfos, {
    group: 'Log',
    description: 'log debug lines too',
    example: 'true',
  }),
});

export type Config = Readonly<z.output<typeof configSchema>>;
export type ConfigKey = keyof Config;

export const configKeys = Object.keys(configSchema.shape) as ConfigKey[];

export const defaultConfig: Config = Object.freeze(configSchema.parse({}));

export function optionInfo(key: ConfigKey): OptionInfo {
  const info = optionInfos.get(configSchema.shape[key]);
  if (info === undefined) throw new Error(`option ${key} is not described`);
  return info;
}

/** `ackLevel` is `--ack-level` on the command line. */
export function flagName(key: ConfigKey): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `ackLevel` is `ZBUS_ACK_LEVEL` in the environment. */
export function environmentName(key: ConfigKey): string {
  return `ZBUS_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** A default as a person would write it. */
export function defaultText(key: ConfigKey): string {
  const value = defaultConfig[key];
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join();
  if (value === null) return 'none';
  return typeof value === 'number' && key.includes('Bytes') ? sizeText(value) : `${value}`;
}

type RetentionOptions = Pick<Config, 'retentionBytes' | 'retentionAgeMs' | 'retentionConsumed'>;

/** Which messages the server deletes by itself, as people read it; null when it keeps all. */
export function retentionText(options: RetentionOptions): string | null {
  const rules: string[] = [];
  if (options.retentionBytes !== null)
    rules.push(`beyond ${sizeText(options.retentionBytes)} a topic`);
  if (options.retentionAgeMs !== null) rules.push(`older than ${options.retentionAgeMs} ms`);
  if (options.retentionConsumed) rules.push('consumed by all groups');
  return rules.length === 0 ? null : rules.join(' or ');
}
