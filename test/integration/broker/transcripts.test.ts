/**
 * The answers of the Go server 0.8.0 and the Java server 0.11.5, recorded, against those of this
 * broker: status, header names, JSON shape and the values that do not vary. The tables below are
 * the whole list of differences.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import type { Reply } from '../../support/reply-parser.js';
import {
  type Differences,
  type TranscriptRow,
  compareReply,
  isMadeUp,
  readTranscript,
} from '../../support/transcript.js';

/** By the name of the row: why it is not replayed. */
type LeftOut = Readonly<Record<string, string>>;

interface Exception {
  readonly reason: string;
  /** What is sent, made from what was recorded and from the last message that was consumed. */
  readonly send?: (recorded: string, consumed: Reply) => string;
  /** The recorded reply as it would be here. */
  readonly status?: number;
  readonly body?: string;
  readonly headersGone?: readonly string[];
  readonly headersNew?: readonly string[];
  readonly keysVarying?: readonly string[];
}
type Exceptions = Readonly<Record<string, Exception>>;

const NATIVE_URL = 'as in 0.8, the message of a native client has the origin_url /';
const TRACKER = 'pushes need a connection of their own: replayed in test/integration/tracker';

const LEFT_OUT_0_8: LeftOut = {
  'tracker info': TRACKER,
  'track_sub: full table at once, then on every change': TRACKER,
  'track_sub push after a declare elsewhere': TRACKER,
};

/** The service answers the caller that it was given here. */
const ROUTED: Exception = {
  reason: 'ids of sessions and of requests without one vary',
  send: (recorded, { headers }) =>
    recorded
      .replace(/recver: .*/, `recver: ${headers.get('sender') ?? ''}`)
      .replace(/\bid: .*/, `id: ${headers.get('origin_id') ?? ''}`),
};

const EXCEPTIONS_0_8: Exceptions = {
  'rpc by URL /rpc/Rpc1/plus/1/2?module=calc as the service gets it': {
    reason: 'as in 0.11, a request made of a path says that it is JSON',
    headersNew: ['content-type'],
  },
  'service routes the result back (no reply to it)': ROUTED,
  'service routes an error with origin_status 500': ROUTED,
  'unknown command by header': {
    reason: 'a native client matches replies by id, so a reply to a request with one carries it',
    headersNew: ['id'],
  },
  'query topic': {
    reason: 'the original counted consumers and never listed them',
    keysVarying: ['consumerList'],
  },
  'server info': {
    reason: 'the original counted consumers and never listed them',
    keysVarying: ['consumerList'],
  },
  'server info by URL': {
    reason: 'the original counted consumers and never listed them',
    keysVarying: ['consumerList'],
  },
  'query group': {
    reason: 'the original answered consumerCount 0 for a group with a consumer',
    keysVarying: ['consumerCount', 'consumerList'],
  },
  'empty topic': {
    reason: 'the original did not implement it',
    status: 200,
    body: '1795362322401',
  },
};

/** Answered by the server's JSON as 0.11 does, and compared there. */
const CHANGED_0_8: LeftOut = {
  'query without topic': 'answered by the JSON of the server, as 0.11 does, and compared there',
  'home page head': 'the page is a new one; compared below',
};

const LEFT_OUT_0_11: LeftOut = {
  'id too long (more than 39)': 'ids may be longer here',
  track_sub: TRACKER,
};

const EXCEPTIONS_0_11: Exceptions = {
  'service routes the result': ROUTED,
  'the caller gets': {
    reason: 'the service says application/json, and no more is added to it',
    headersNew: ['content-type'],
  },
  'declare topic by 0.11 URL': {
    reason: 'as in 0.8, a new topic has a group of its own name',
    keysVarying: ['consumeGroupList'],
  },
  'declare group with a name made by the server': {
    reason: 'the original took the name of the topic, so that two such groups were one',
    keysVarying: ['groupName'],
  },
  'consume the next, do not ack': {
    reason: `${NATIVE_URL}; tags are decoded here`,
    headersNew: ['origin_url', 'tag'],
  },
  'after the ack timeout it comes again, with retry': {
    reason: `${NATIVE_URL}; it is the next message, since the recording took less than the timeout`,
    headersNew: ['origin_url'],
  },
  'ack without reply': {
    reason: 'offsets count messages here, and bytes there',
    send: (recorded) => recorded.replace('offset: 473', 'offset: 1'),
  },
  'query server without topic': {
    reason: 'the topic has other groups here',
    keysVarying: ['topicTable'],
  },
  'direct read of an offset that is none': {
    reason: 'texts are those of 0.8',
    body: 'Message not found: offset=123456789',
  },
  'declare exclusive group': {
    reason: 'starts where the group that has read furthest is, here the first message not acked',
    keysVarying: ['messageCount'],
  },
  'a second consumer of an exclusive group': {
    reason: '401 asks for credentials, which would not help',
    status: 403,
    body: 'ConsumeGroup(x1) exclusive, forbidden',
  },
  'ssl: no certificate': {
    reason: 'texts are like those of 0.8',
    body: 'Certificate(localhost:1) not found',
  },
  'unknown topic': { reason: 'texts are those of 0.8', body: 'Topic(nope) not found' },
  'unknown group': { reason: 'texts are those of 0.8', body: 'ConsumeGroup(nope) not found' },
};

/** What a group with explicit acks shows here besides. */
const ACK_KEYS = [
  'ackWindow',
  'ackTimeoutMs',
  'maxAttempts',
  'deadTopic',
  'settledOffset',
  'nextOffset',
  'inFlightCount',
  'returnedCount',
  'redeliveredCount',
  'deadCount',
  'inFlight',
  'returned',
];
const MESSAGE_HEADERS = ['offset', 'timestamp', 'consume_group', 'origin_method'];
const PRODUCE_HEADERS = ['offset', 'ack_level'];
/** Of a topic's JSON: not known to the servers before. */
const NEW_KEYS = ['rpc', 'firstOffset', 'storedBytes'];
const VARYING = [
  'sslEnabled',
  'createdTime',
  'lastUpdatedTime',
  'infoVersion',
  'address',
  'serverVersion',
];

interface Replayed {
  readonly row: TranscriptRow;
  readonly differences: Differences;
  readonly exception: Exception | undefined;
  /** The row behind this one only listens: its reply may have come already. */
  readonly awaited: boolean;
}

/** The last message that was consumed. */
let consumed: Reply;

const PLAIN_HEADERS = ['date', 'x-content-type-options', 'content-security-policy'];

/** Sends the row and compares the replies; nothing else may have come meanwhile. */
async function replay(
  client: Client,
  { row, differences, exception, awaited }: Replayed,
): Promise<void> {
  if (row.send !== null) client.write(exception?.send?.(row.send, consumed) ?? row.send);
  for (const recorded of row.replies) {
    const expected = {
      ...recorded,
      status: exception?.status ?? recorded.status,
      body: exception?.body === undefined ? recorded.body : Buffer.from(exception.body),
    };
    const id = recorded.headers.get('id') ?? '';
    const reply = isMadeUp(id) ? await client.next() : await client.reply(id);
    compareReply(
      reply,
      expected,
      isMadeUp(id) ? withPlainHeaders(expected, differences) : differences,
    );
    if (reply.headers.has('origin_id')) consumed = reply;
  }
  await client.fence();
  if (!awaited) assert.deepEqual(client.unclaimed, [], 'more replies than recorded');
}

/** Replies to requests without an id, which curl and browsers send, say besides what they are. */
function withPlainHeaders(recorded: Reply, differences: Differences): Differences {
  const headersNew = new Set([...differences.headersNew, ...PLAIN_HEADERS]);
  if (!recorded.headers.has('content-type')) headersNew.add('content-type');
  return { ...differences, headersNew };
}

function differencesOf(
  exception: Exception | undefined,
  headersGone: string[],
  keysNew: string[],
): Differences {
  return {
    headersGone: new Set([...headersGone, ...(exception?.headersGone ?? [])]),
    headersNew: new Set([...MESSAGE_HEADERS, ...PRODUCE_HEADERS, ...(exception?.headersNew ?? [])]),
    keysVarying: new Set([...VARYING, ...(exception?.keysVarying ?? [])]),
    keysNew: new Set(keysNew),
  };
}

function isReplayed(row: TranscriptRow, ...leftOut: LeftOut[]): boolean {
  return leftOut.every((names) => !(row.name in names));
}

function assertNamed(rows: TranscriptRow[], tables: object[]): void {
  const names = new Set(rows.map(({ name }) => name));
  const unknown = tables.flatMap((table) => Object.keys(table)).filter((name) => !names.has(name));
  assert.deepEqual(unknown, [], 'names of no row');
}

describe('as the recorded server 0.8.0', () => {
  const rows = readTranscript('transcripts-0.8.jsonl');
  let client: Client;
  let broker: TestBroker;

  before(async () => {
    broker = await TestBroker.start();
    client = await broker.connect();
  });
  after(cleanUp);

  /** What the recorder sent on another connection, or in an earlier write. */
  const preparations: Readonly<Record<string, () => Promise<unknown>>> = {
    'empty topic': () => client.expect(200, 'declare', { topic: 'T3' }),
    'service routes an error with origin_status 500': async () => {
      client.send({ cmd: 'rpc', topic: 'Rpc1', id: 'e1' }, 'a call');
      consumed = await client.expect(200, 'consume', { topic: 'Rpc1' });
    },
    'a request split over two writes (second half)': () => {
      client.write('GET / HTTP/1.1\r\nc');
      return Promise.resolve();
    },
  };

  const replayed = rows.filter((row) => isReplayed(row, LEFT_OUT_0_8, CHANGED_0_8));
  for (const [i, row] of replayed.entries()) {
    it(row.name, async () => {
      await preparations[row.name]?.();
      const exception = EXCEPTIONS_0_8[row.name];
      const differences = differencesOf(exception, ['cmd', 'ack'], NEW_KEYS);
      const awaited = replayed[i + 1]?.send === null;
      await replay(client, { row, differences, exception, awaited });
    });
  }

  it('home page: status and content type', async () => {
    client.write('GET / HTTP/1.1\r\nhost: localhost:15555\r\n\r\n');
    const page = await client.next();
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
    assert(!page.headers.has('id'));
    assert.match(page.body.toString(), /<title>[^<]*zbus/);
  });

  it('the tables name rows that exist', () => {
    assertNamed(rows, [LEFT_OUT_0_8, CHANGED_0_8, EXCEPTIONS_0_8]);
  });
});

describe('as the recorded server 0.11.5', () => {
  const rows = readTranscript('transcripts-0.11.jsonl');
  let client: Client;
  let broker: TestBroker;

  before(async () => {
    broker = await TestBroker.start();
    client = await broker.connect();
  });
  after(cleanUp);

  const noTimeout = { topic: 'MyTopic', consume_group: 'g2', group_ack_timeout: 3_600_000 };
  const preparations: Readonly<Record<string, () => Promise<unknown>>> = {
    // The second that the recording gives each message may pass on a busy machine.
    'consume the next, do not ack': () => client.expect(200, 'declare', noTimeout),
    'query group': async () => {
      const { settledOffset } = await client.query<{ settledOffset: number }>('MyTopic', 'g2');
      assert.equal(settledOffset, 2, 'the ack without a reply was one');
    },
    'rpc by 0.11 URL /Rpc1/calc/plus/1/2 as the service gets it': () => {
      client.write('GET /Rpc1/calc/plus/1/2 HTTP/1.1\r\nhost: localhost:15555\r\n\r\n');
      return Promise.resolve();
    },
    'a second consumer of an exclusive group': async () => {
      const first = await broker.connect();
      first.send({ cmd: 'consume', topic: 'MyTopic', consume_group: 'x1', id: 'e2' });
      await first.fence();
    },
  };

  const replayed = rows.filter((row) => isReplayed(row, LEFT_OUT_0_11));
  for (const [i, row] of replayed.entries()) {
    it(row.name, async () => {
      await preparations[row.name]?.();
      const exception = EXCEPTIONS_0_11[row.name];
      const isMessage = row.replies.some(({ headers }) => headers.has('origin_id'));
      // 0.11 names the topic in every reply, and the peer of the producer in every message.
      const gone = isMessage ? ['remote-addr'] : ['topic'];
      const added = ['error', 'creator', 'filter', ...ACK_KEYS, ...NEW_KEYS];
      const differences = differencesOf(exception, gone, added);
      // An empty list of consumers is null in 0.8.
      const listsVary = {
        ...differences,
        keysVarying: new Set([...differences.keysVarying, 'consumerList']),
      };
      const awaited = replayed[i + 1]?.send === null;
      await replay(client, { row, differences: listsVary, exception, awaited });
    });
  }

  it('the tables name rows that exist', () => {
    assertNamed(rows, [LEFT_OUT_0_11, EXCEPTIONS_0_11]);
  });
});
