/**
 * One running broker and everybody at once: a raw socket, a WebSocket, the own client over both,
 * curl, ab and fetch produce to one topic, and each kind of consumer, event streams among them, has
 * a group of its own and gets every message of all the others. Plain, and over TLS.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { WebSocket } from 'ws';
import { connect, type Bus } from '../../src/index.js';
import { TestBroker } from '../support/broker.js';
import { cleanUp, onCleanUp } from '../support/cleanup.js';
import { EventParser } from '../support/event-parser.js';
import { needProgram } from '../support/programs.js';
import { tempFolder } from '../support/temp-folder.js';
import { WebSocketClient } from '../support/websocket-client.js';

const run = promisify(execFile);
/** Messages that each producer sends. */
const EACH = 40;

/** The broker as its clients reach it. */
class Place {
  readonly broker: TestBroker;
  readonly ca: string | undefined;
  readonly address: string;
  readonly url: string;
  /** What curl needs to trust it. */
  readonly curlTrust: readonly string[];

  constructor(broker: TestBroker) {
    const { port, authority } = broker;
    this.broker = broker;
    this.ca = authority?.certificatePem;
    this.address = `127.0.0.1:${port}`;
    this.url = `${authority === null ? 'http' : 'https'}://${this.address}`;
    if (this.ca === undefined) {
      this.curlTrust = [];
    } else {
      const file = join(tempFolder(), 'ca.crt');
      writeFileSync(file, this.ca);
      this.curlTrust = ['--cacert', file];
    }
  }

  async bus(scheme: 'tcp' | 'ws'): Promise<Bus> {
    const secure = this.ca === undefined ? scheme : scheme === 'tcp' ? 'tls' : 'wss';
    const tls = this.ca === undefined ? {} : { tls: { ca: this.ca } };
    const bus = await connect(`${secure}://${this.address}`, tls);
    onCleanUp(() => bus.close());
    return bus;
  }

  async webSocket(): Promise<WebSocketClient> {
    const scheme = this.ca === undefined ? 'ws' : 'wss';
    const webSocket = new WebSocket(`${scheme}://${this.address}/`, { ca: this.ca });
    const client = new WebSocketClient(webSocket);
    await once(webSocket, 'open');
    return client;
  }

  /** As an HTTP library asks. */
  async ask(path: string, accept: string): Promise<IncomingMessage> {
    const options = { headers: { accept }, ca: this.ca, agent: false };
    const request = (this.ca === undefined ? httpRequest : httpsRequest)(this.url + path, options);
    const [response] = (await once(request.end(), 'response')) as [IncomingMessage];
    assert.equal(response.statusCode, 200);
    return response;
  }
}

type Role = (place: Place) => Promise<void>;

function body(who: string, n: number): string {
  return `${who}-${n}`;
}

function times(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

function producers(curl: string, ab: string): Readonly<Record<string, Role>> {
  const byClient =
    (who: string, scheme: 'tcp' | 'ws'): Role =>
    async (place) => {
      const bus = await place.bus(scheme);
      await Promise.all(times(EACH).map((n) => bus.produce('shared', body(who, n))));
    };
  return {
    raw: async ({ broker }) => {
      const client = await broker.connect();
      for (const n of times(EACH)) {
        await client.expect(200, 'produce', { topic: 'shared' }, body('raw', n));
      }
    },
    webSocket: async (place) => {
      const client = await place.webSocket();
      for (const n of times(EACH)) {
        await client.expect(200, 'produce', { topic: 'shared' }, body('webSocket', n));
      }
    },
    client: byClient('client', 'tcp'),
    clientOverWebSocket: byClient('clientOverWebSocket', 'ws'),
    curl: async ({ url, curlTrust }) => {
      const target = `${url}/produce/shared?body=curl-[0-${EACH - 1}]`;
      await run(curl, ['-sS', '--fail', ...curlTrust, target]);
    },
    ab: async ({ url }) => {
      const counts = ['-n', `${EACH}`, '-c', '4'];
      const { stdout } = await run(ab, ['-q', '-k', ...counts, `${url}/produce/shared?body=ab`]);
      assert.match(stdout, new RegExp(`Complete requests: +${EACH}\\n`));
      assert.doesNotMatch(stdout, /Non-2xx|Failed requests: +[1-9]/);
    },
  };
}

/** Each takes `count` messages from the group that is named like it. */
function consumers(
  curl: string,
  count: number,
): Readonly<Record<string, (place: Place) => Promise<string[]>>> {
  const byClient =
    (group: string, scheme: 'tcp' | 'ws') =>
    async (place: Place): Promise<string[]> => {
      const bus = await place.bus(scheme);
      const bodies: string[] = [];
      for await (const message of bus.consume('shared', { group, prefetch: 20 })) {
        bodies.push(message.text());
        if (bodies.length === count) break;
      }
      return bodies;
    };
  return {
    raw: async ({ broker }) => {
      const client = await broker.connect();
      const bodies: string[] = [];
      while (bodies.length < count) {
        const from = { topic: 'shared', consume_group: 'raw' };
        bodies.push((await client.expect(200, 'consume', from)).body.toString());
      }
      return bodies;
    },
    webSocket: async (place) => {
      const client = await place.webSocket();
      const bodies: string[] = [];
      while (bodies.length < count) {
        const from = { topic: 'shared', consume_group: 'webSocket' };
        bodies.push((await client.expect(200, 'consume', from)).body.toString());
      }
      return bodies;
    },
    client: byClient('client', 'tcp'),
    clientOverWebSocket: byClient('clientOverWebSocket', 'ws'),
    curlLines: async ({ url, curlTrust }) => {
      const target = `${url}/consume/shared/curlLines?prefetch=${count}`;
      const accept = ['-H', 'accept: application/x-ndjson'];
      const { stdout } = await run(curl, ['-sS', '--fail', '-N', ...curlTrust, ...accept, target]);
      const lines = stdout.split('\n').filter((line) => line !== '');
      return lines.map((line) => (JSON.parse(line) as { body: string }).body);
    },
    events: async (place) => {
      const path = `/consume/shared/events?prefetch=${count}`;
      const response = await place.ask(path, 'text/event-stream');
      const bodies: string[] = [];
      const parser = new EventParser(({ data }) => {
        bodies.push((JSON.parse(data) as { body: string }).body);
      });
      response.on('data', (chunk: Buffer) => {
        parser.push(chunk);
      });
      await once(response, 'end');
      return bodies;
    },
  };
}

async function everybody(place: Place, curl: string, ab: string): Promise<void> {
  const producing = producers(curl, ab);
  const names = Object.keys(producing);
  const consuming = Object.entries(consumers(curl, names.length * EACH));
  const client = await place.broker.connect();
  for (const [group] of consuming) {
    await client.expect(200, 'declare', { topic: 'shared', consume_group: group });
  }
  const [received] = await Promise.all([
    Promise.all(consuming.map(([, consume]) => consume(place))),
    ...Object.values(producing).map((produce) => produce(place)),
  ]);
  const expected = names.flatMap((who) =>
    times(EACH).map((n) => (who === 'ab' ? 'ab' : body(who, n))),
  );
  for (const [i, [group]] of consuming.entries()) {
    assert.deepEqual([...(received[i] ?? [])].sort(), [...expected].sort(), group);
    // Which also says that all groups saw the one order in which the messages are stored.
    assert.deepEqual(received[i], received[0], group);
  }
}

describe('one broker and everybody', () => {
  afterEach(cleanUp);

  it('each gets what all the others sent', async function () {
    const [curl, ab] = [
      needProgram(this, 'curl', 'curl'),
      needProgram(this, 'ab', 'apache2-utils'),
    ];
    await everybody(new Place(await TestBroker.start()), curl, ab);
  });

  it('each gets what all the others sent, over TLS', async function () {
    const [curl, ab] = [
      needProgram(this, 'curl', 'curl'),
      needProgram(this, 'ab', 'apache2-utils'),
    ];
    await everybody(new Place(await TestBroker.startTls()), curl, ab);
  });
});
