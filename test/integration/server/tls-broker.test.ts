/** A broker that speaks TLS, to each kind of client, and what it says of itself. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { WebSocket } from 'ws';
import { TestBroker } from '../../support/broker.js';
import { Authority } from '../../support/certificates.js';
import { cleanUp } from '../../support/cleanup.js';
import { Consumers, numbered, produceAll } from '../../support/consumer.js';
import { needProgram } from '../../support/programs.js';
import { tempFolder } from '../../support/temp-folder.js';
import { connectTls, connectTlsClient, trusting, writeServerFiles } from '../../support/tls.js';
import { WebSocketClient } from '../../support/websocket-client.js';

const run = promisify(execFile);
const MIB = 1024 * 1024;

function trusted({ authority }: TestBroker): Authority {
  assert(authority !== null);
  return authority;
}

/** Status of a request as a page sends it. */
async function statusOf(
  broker: TestBroker,
  headers: Readonly<Record<string, string>>,
): Promise<number | undefined> {
  const { port } = broker;
  const request = httpsRequest({
    ...trusting(trusted(broker)),
    host: '127.0.0.1',
    port,
    path: '/ping',
    headers,
  });
  const [response] = (await once(request.end(), 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode;
}

describe('a broker that speaks TLS', () => {
  afterEach(cleanUp);

  it('keeps order and loses nothing, from 1 byte to 16 MiB', async () => {
    const broker = await TestBroker.startTls();
    const [producer, consumer] = [await broker.connect(), await broker.connect()];
    await producer.expect(200, 'declare', { topic: 'T' });
    const sizes = [1, 7, 16_383, 16_384, 16_385, 65_536, MIB, 16 * MIB];
    for (const [i, size] of sizes.entries()) {
      const body = Buffer.alloc(size, 97 + i);
      await producer.expect(200, 'produce', { topic: 'T' }, body);
      const { body: got } = await consumer.expect(200, 'consume', { topic: 'T' });
      assert(got.equals(body), `${size} bytes`);
    }
  });

  it('hands each of 20,000 messages to one of three consumers', async () => {
    const broker = await TestBroker.startTls();
    const producer = await broker.connect();
    await producer.expect(200, 'declare', { topic: 'T' });
    const clients = [await broker.connect(), await broker.connect(), await broker.connect()];
    const consumers = new Consumers(clients, { topic: 'T' });
    await produceAll(producer, 'T', numbered(20_000));
    const delivered = await consumers.got(20_000);
    const offsets = delivered.map(({ offset }) => offset).sort((a, b) => a - b);
    assert.deepEqual(
      offsets,
      Array.from({ length: 20_000 }, (_, i) => i),
    );
  });

  it('speaks to WebSockets, whole messages and large ones', async () => {
    const broker = await TestBroker.startTls();
    const options = { ca: trusted(broker).certificatePem };
    const webSocket = new WebSocket(`wss://127.0.0.1:${broker.port}/`, options);
    const client = new WebSocketClient(webSocket);
    await once(webSocket, 'open');
    await client.expect(200, 'declare', { topic: 'T' });
    const body = Buffer.alloc(MIB, 'w');
    await client.expect(200, 'produce', { topic: 'T' }, body);
    const message = await client.expect(200, 'consume', { topic: 'T' });
    assert(message.body.equals(body));
  });

  it('speaks to curl, which trusts what the ssl command answered', async function () {
    const curl = needProgram(this, 'curl', 'curl');
    const authority = new Authority();
    const issued = authority.issue({ name: 'localhost' });
    const chain = { ...issued, certificatePem: issued.certificatePem + authority.certificatePem };
    const broker = new TestBroker(writeServerFiles(tempFolder(), chain));
    broker.authority = authority;
    await broker.start();
    const client = await broker.connect();
    const { body } = await client.expect(200, 'ssl', { server: `127.0.0.1:${broker.port}` });
    const file = join(tempFolder(), 'server.pem');
    writeFileSync(file, body);
    const url = `https://127.0.0.1:${broker.port}`;
    const ask = async (...parameters: string[]): Promise<string> =>
      (await run(curl, ['-sS', '--fail', '--cacert', file, ...parameters])).stdout;
    await ask(`${url}/declare/T`);
    await ask('-d', 'by curl', `${url}/produce/T`);
    assert.equal(await ask(`${url}/consume/T`), 'by curl');
    await assert.rejects(run(curl, ['-sS', `${url}/ping`]), /certificate/);
  });

  it('answers ssl with its certificate, never the key, and knows no other', async () => {
    const authority = new Authority();
    const { certificatePem, keyPem } = authority.issue({ name: 'localhost' });
    const all = { certificatePem: keyPem + certificatePem + authority.certificatePem, keyPem };
    const broker = new TestBroker({
      serverName: 'mq.example.com:443',
      ...writeServerFiles(tempFolder(), all),
    });
    broker.authority = authority;
    await broker.start();
    const client = await broker.connect();
    for (const server of [
      '',
      'mq.example.com:443',
      'MQ.example.com:443',
      '[SSL]mq.example.com:443',
    ]) {
      const reply = await client.expect(200, 'ssl', server === '' ? {} : { server });
      assert.equal(reply.body.toString(), certificatePem + authority.certificatePem);
    }
    const { body } = await client.expect(404, 'ssl', { server: 'other:1' });
    assert.equal(body.toString(), 'Certificate(other:1) not found');
  });

  it('without TLS answers ssl with 404', async () => {
    const broker = new TestBroker({});
    await broker.start();
    const client = await broker.connect();
    await client.expect(404, 'ssl');
    const { body } = await client.expect(200, 'server');
    const { serverAddress } = JSON.parse(body.toString()) as { serverAddress: object };
    assert.deepEqual(serverAddress, { address: `127.0.0.1:${broker.port}`, sslEnabled: false });
  });

  it('says so in its JSON and on its page', async () => {
    const broker = await TestBroker.startTls();
    const client = await broker.connect();
    const address = `127.0.0.1:${broker.port}`;
    const { body: topic } = await client.expect(200, 'declare', { topic: 'T' });
    const { body: server } = await client.expect(200, 'server');
    for (const json of [topic, server]) {
      const { serverAddress } = JSON.parse(json.toString()) as { serverAddress: object };
      assert.deepEqual(serverAddress, { address, sslEnabled: true });
    }
    const page = (await client.get('/')).body.toString();
    assert(page.includes(`curl https://${address}/declare/hello`));
    assert(!page.includes('http://'));
  });

  it('takes https pages of its own for its own, and no others', async () => {
    const broker = await TestBroker.startTls();
    const host = `127.0.0.1:${broker.port}`;
    assert.equal(await statusOf(broker, { host, origin: `https://${host}` }), 200);
    assert.equal(await statusOf(broker, { host, origin: `http://${host}` }), 403);
    assert.equal(await statusOf(broker, { host, origin: 'https://evil.example' }), 403);
    assert.equal(await statusOf(broker, { host: 'evil.example' }), 421);
  });

  it('gives what was not taken to the next consumer', async () => {
    const broker = await TestBroker.startTls();
    const producer = await broker.connect();
    await producer.expect(200, 'declare', { topic: 'T' });
    const messages = Array.from({ length: 40 }, (_, n) => ({ body: String(n).repeat(MIB / 2) }));
    await produceAll(producer, 'T', messages);
    const mute = await connectTls(broker.port, trusting(trusted(broker)));
    mute.pause();
    mute.write('GET / HTTP/1.1\r\ncmd: consume\r\ntopic: T\r\nid: m\r\nprefetch: 40\r\n\r\n');
    const next = await connectTlsClient(broker.port, trusted(broker));
    const { messageCount } = await next.query<{ messageCount: number }>('T', 'T');
    assert(messageCount > 0, 'all were handed to a consumer that took none');
    mute.destroy();
    const last = await (async () => {
      for (;;) {
        const reply = await next.expect(200, 'consume', { topic: 'T' });
        if (Number(reply.headers.get('offset')) === 39) return reply;
      }
    })();
    assert.equal(last.body.length, MIB);
  });

  it('answers what was read, though the client has ended its side', async () => {
    const broker = await TestBroker.startTls();
    const client = await broker.connect();
    const url = 'GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n';
    client.socket.end(url + url);
    assert.equal((await client.next()).body.toString(), 'OK');
    assert.equal((await client.next()).body.toString(), 'OK');
    await client.closed();
  });
});
