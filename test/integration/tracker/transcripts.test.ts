/**
 * What the recorded servers told those who ask for the table of servers, against what is told here:
 * heads, and the JSON with the topics that this test has made.
 */
import { Buffer } from 'node:buffer';
import type { TrackerInfo } from '../../../src/client/info.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import type { Client } from '../../support/client.js';
import type { Reply } from '../../support/reply-parser.js';
import { compareReply, readTranscript } from '../../support/transcript.js';

const VARYING = ['createdTime', 'lastUpdatedTime', 'infoVersion', 'serverVersion'];
/** A push has the id of its subscription, by which the client here knows it. */
const PUSH_ID = 'id';
/** Of replies to requests without an id. */
const PLAIN = ['content-type', 'date', 'x-content-type-options', 'content-security-policy'];

/** The recorded reply, of a tracker at `address` whose only topic, if any, is `topic`. */
function recordedOf(file: string, name: string, address: string, topic: string | null): Reply {
  const row = readTranscript(file).find((one) => one.name === name);
  const [reply] = row?.replies ?? [];
  if (reply === undefined) throw new Error(`no row ${name}`);
  const tracker = JSON.parse(reply.body.toString()) as TrackerInfo;
  const [server] = Object.values(tracker.serverTable);
  if (server === undefined) throw new Error(`no server in row ${name}`);
  const topics = Object.entries(server.topicTable).filter(([key]) => key === topic);
  const table = { [address]: { ...server, topicTable: Object.fromEntries(topics) } };
  return { ...reply, body: Buffer.from(JSON.stringify({ ...tracker, serverTable: table })) };
}

function compare(actual: Reply, recorded: Reply, headersNew: readonly string[] = []): void {
  compareReply(actual, recorded, {
    headersGone: new Set(),
    headersNew: new Set(headersNew),
    keysVarying: new Set(VARYING),
    // 0.11 leaves out what is empty; the rest was not known.
    keysNew: new Set(['error', 'firstOffset', 'storedBytes']),
  });
}

describe('tables of servers, as the recorded servers told them', () => {
  let client: Client;
  let broker: TestBroker;
  let address: string;

  beforeEach(async () => {
    broker = await TestBroker.start();
    client = await broker.connect();
    address = `127.0.0.1:${broker.port}`;
  });
  afterEach(cleanUp);

  const FIRST = 'track_sub: full table at once, then on every change';
  const PUSH = 'track_sub push after a declare elsewhere';

  it('0.8: the table by URL', async () => {
    const actual = await client.get('/tracker');
    compare(actual, recordedOf('transcripts-0.8.jsonl', 'tracker info', address, null), PLAIN);
  });

  it('0.8: a subscription gets the table, and again after a declare elsewhere', async () => {
    const first = await client.expect(200, 'track_sub', { id: 't1' });
    compare(first, recordedOf('transcripts-0.8.jsonl', FIRST, address, null));
    await (await broker.connect()).expect(200, 'declare', { topic: 'T3' });
    const push = await client.next();
    compare(push, recordedOf('transcripts-0.8.jsonl', PUSH, address, 'T3'), [PUSH_ID]);
  });

  it('0.11: a subscription gets the table at once', async () => {
    const first = await client.expect(200, 'track_sub', { id: 't1' });
    const recorded = recordedOf('transcripts-0.11.jsonl', 'track_sub', address, null);
    compare(first, recorded, [PUSH_ID]);
  });

  it('clients of the family that subscribe without id or ack are told too', async () => {
    client.send({ cmd: 'track_sub', ack: 'false' });
    const first = await client.next();
    const headersNew = [PUSH_ID, ...PLAIN];
    compare(first, recordedOf('transcripts-0.8.jsonl', FIRST, address, null), headersNew);
    await (await broker.connect()).expect(200, 'declare', { topic: 'T3' });
    const push = await client.next();
    compare(push, recordedOf('transcripts-0.8.jsonl', PUSH, address, 'T3'), headersNew);
  });
});
