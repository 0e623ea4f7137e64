/**
 * No value that a peer sends can end the line it stands in: CR, LF and NUL reach neither a reply,
 * nor a delivered message, nor a stored one, nor a line of the log.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { defaultConfig } from '../../../src/config/config.js';
import { createLog } from '../../../src/log.js';
import { Server } from '../../../src/server/server.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';

const BREAKS = [
  '%0d%0a',
  '%0a',
  '%0d',
  '%00',
  '%0d%0a%0d%0a',
  '%0D%0A',
  '%25%30%64%250a',
  '%u000a',
];
/** Also the bytes that a careless decoder takes for CR LF. */
const LOOKALIKES = ['%e5%98%8d%e5%98%8a', '%c4%8d%c4%8a', '%e2%80%a8', '%c2%85', '%c0%8d%c0%8a'];
const PARAMETERS = [
  ...['topic', 'consume_group', 'tag', 'id', 'cmd', 'ack', 'ack_level', 'offset', 'offsets'],
  ...['timeout', 'delay', 'prefetch', 'group_filter', 'group_mask', 'topic_mask', 'recver'],
  ...['group_dead_topic', 'group_start_copy', 'group_start_msgid', 'group_start_time', 'token'],
  ...['origin_status', 'origin_id', 'origin_url', 'sender', 'host', 'server', 'module', 'own'],
  ...['retention_bytes', 'retention_age_ms', 'retention_consumed', 'content-type', 'encoding'],
];
const COMMANDS = 'produce consume unconsume ack nack renew redrive declare query remove empty'
  .split(' ')
  .concat('server tracker route rpc ping heartbeat ssl track_sub track_pub nothing'.split(' '));

/** All that comes back on a connection of its own, until the broker closes it. */
function exchange(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let received = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => (received += text));
    socket.on('error', reject);
    socket.on('close', () => {
      resolve(received);
    });
    socket.write(request, 'latin1');
    onCleanUp(() => {
      socket.destroy();
    });
  });
}

function request(target: string, headers = ''): string {
  return `GET ${target} HTTP/1.1\r\nhost: localhost\r\n${headers}connection: close\r\n\r\n`;
}

describe('line breaks in values', () => {
  let mqDir: string;
  let logDir: string;
  let server: Server;
  let port: number;
  beforeEach(async () => {
    mqDir = tempFolder();
    logDir = tempFolder();
    const config = { ...defaultConfig, serverAddress: '127.0.0.1:0', mqDir, logDir, verbose: true };
    server = new Server(config, createLog(config));
    ({ port } = await server.start());
    onCleanUp(() => server.close());
    assert.match(await exchange(port, request('/declare/t')), /^HTTP\/1\.1 200 /);
  });
  afterEach(cleanUp);

  /** Every line of every head is of the broker's making, and one reply came for one request. */
  function assertClean(received: string, what: string): void {
    assert.doesNotMatch(received, /^injected/im, what);
    assert.doesNotMatch(received.split('\r\n\r\n')[0] ?? '', /\0|[^\r]\n|\r[^\n]/, what);
    assert((received.match(/HTTP\/1\.1 \d/g) ?? []).length <= 1, `${what}: ${received}`);
  }

  it('reach no reply, from any parameter of any command', async () => {
    for (const cmd of COMMANDS) {
      await Promise.all(
        PARAMETERS.map(async (parameter) => {
          const target = `/${cmd}/t?timeout=1&${parameter}=x%0d%0ainjected:%20yes`;
          assertClean(await exchange(port, request(target)), target);
        }),
      );
    }
  });

  it('reach no delivered message, however they are written', async () => {
    const told: string[] = [];
    for (const sign of [...BREAKS, ...LOOKALIKES]) {
      for (const parameter of ['tag', 'own', 'id', 'content-type', 'encoding', 'traceparent']) {
        const target = `/produce/t?body=x&${parameter}=a${sign}injected:%20yes`;
        const reply = await exchange(port, request(target));
        assertClean(reply, target);
        if (reply.startsWith('HTTP/1.1 200')) told.push(target);
      }
    }
    assert(told.length > 0, 'all were refused, so nothing was shown');
    for (const [offset, target] of told.entries()) {
      const reply = await exchange(port, request(`/consume/t?offset=${offset}`));
      assert.match(reply, /^HTTP\/1\.1 200 /);
      assertClean(reply, target);
    }
  });

  it('reach no delivered message from a header of the producer', async () => {
    for (const sign of ['\0', '\r', '\n', '\n\r', '\r\r\n', '\x0b', '\x0c', '\x1f', '\x7f']) {
      for (const header of [`own: a${sign}injected: yes`, `o${sign}injected: yes`]) {
        const reply = await exchange(port, request('/produce/t?body=x', `${header}\r\n`));
        assertClean(reply, JSON.stringify(header));
      }
    }
    const stored = await exchange(port, request('/query/t'));
    const { messageDepth } = JSON.parse(stored.split('\r\n\r\n')[1] ?? '') as {
      messageDepth: number;
    };
    for (let offset = 0; offset < messageDepth; offset++) {
      assertClean(await exchange(port, request(`/consume/t?offset=${offset}`)), `${offset}`);
    }
  });

  it('make no line of the log', async () => {
    const hosts = ['evil%0ainjected', 'evil"injected', 'evil\\ninjected', 'evil\u001b[2Jinjected'];
    for (const host of hosts) {
      await exchange(port, `GET /ping HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
      await exchange(port, request('/ping', `origin: http://${host}\r\n`));
    }
    for (const sign of BREAKS) {
      await exchange(port, request(`/produce/t${sign}injected?topic=x${sign}injected`));
      await exchange(port, request(`/${sign}injected`));
    }
    await server.close();
    const lines = readFileSync(join(logDir, 'zbus.log'), 'utf8').trimEnd().split('\n');
    assert(lines.length >= hosts.length, 'nothing was logged');
    for (const line of lines) {
      assert.doesNotMatch(line, /[\0-\x08\x0b-\x1f\x7f]/);
      const { level } = JSON.parse(line) as { level: unknown };
      assert.notEqual(level, undefined, line);
    }
  });
});
