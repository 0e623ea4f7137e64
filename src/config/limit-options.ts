/** Options that bound what a peer can ask for, in amount and in time. */
import { GIB, KIB, MIB } from './sizes.js';
import { optionInfos, size, timeMs, wholeNumber } from './values.js';

export const limitOptions = {
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
  inFlightBytesMax: size(64 * KIB, GIB)
    .default(8 * MIB)
    .register(optionInfos, {
      group: 'Limits',
      placeholder: 'size',
      description: 'bodies of those requests together; beyond it the connection is not read',
      example: '32MiB',
    }),
  waitingMax: wholeNumber(1, 1_000_000).default(4096).register(optionInfos, {
    group: 'Limits',
    placeholder: 'count',
    description: 'consume requests of a connection that wait; beyond it 429',
    example: '100',
  }),
  fragmentsMax: wholeNumber(1, 1_000_000)
    .default(16 * KIB)
    .register(optionInfos, {
      group: 'Limits',
      placeholder: 'count',
      description: 'fragments of a WebSocket message; beyond it the connection ends with 1008',
      example: '1024',
    }),
  unsentBytesMax: size(64 * KIB, GIB)
    .default(8 * MIB)
    .register(optionInfos, {
      group: 'Limits',
      placeholder: 'size',
      description: 'bytes a connection has not taken; beyond it nothing more is delivered to it',
      example: '32MiB',
    }),
  rpcCallsMax: wholeNumber(1, 10_000_000).default(50_000).register(optionInfos, {
    group: 'Limits',
    placeholder: 'count',
    description: 'unanswered calls of a topic that carries RPC; one more is answered 503',
    example: '10000',
  }),
  rpcBytesMax: size(64 * KIB, Number.MAX_SAFE_INTEGER)
    .default(64 * MIB)
    .register(optionInfos, {
      group: 'Limits',
      placeholder: 'size',
      description: 'memory that the requests of these calls may take; beyond it 503',
      example: '256MiB',
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
    description:
      'time in which a body, or a WebSocket message, must end or go on by 64 KiB; beyond it 408',
    example: '60000',
  }),
  writeTimeoutMs: timeMs(100).default(30_000).register(optionInfos, {
    group: 'Timeouts',
    placeholder: 'ms',
    description: 'time a peer may take nothing of what is sent to it; beyond it it is cut off',
    example: '10000',
  }),
  rpcTimeoutMs: timeMs(1).default(10_000).register(optionInfos, {
    group: 'Timeouts',
    placeholder: 'ms',
    description: 'time for the answer to a call that names no timeout of its own; beyond it 504',
    example: '30000',
  }),
  idleTimeout: timeMs(1000).default(180_000).register(optionInfos, {
    group: 'Timeouts',
    placeholder: 'ms',
    description: 'time a connection may stay open with nothing asked and nothing owed',
    example: '600000',
  }),
  lingerTimeoutMs: timeMs(100).default(5000).register(optionInfos, {
    group: 'Timeouts',
    placeholder: 'ms',
    description: 'time in which a peer must close behind the last answer; beyond it it is cut off',
    example: '1000',
  }),
  pingIntervalMs: timeMs(1000).default(30_000).register(optionInfos, {
    group: 'Timeouts',
    placeholder: 'ms',
    description:
      'time between pings to a WebSocket peer; one that leaves two unanswered is cut off',
    example: '10000',
  }),
  keepAliveMs: timeMs(1000).default(60_000).register(optionInfos, {
    group: 'Timeouts',
    placeholder: 'ms',
    description: 'silence after which TCP probes find out whether the machine of a peer is there',
    example: '10000',
  }),
  drainTimeoutMs: wholeNumber(0, 3000).default(1000).register(optionInfos, {
    group: 'Timeouts',
    placeholder: 'ms',
    description: 'time at a stop in which consumers may acknowledge what they hold; 0: none',
    example: '3000',
  }),
};
