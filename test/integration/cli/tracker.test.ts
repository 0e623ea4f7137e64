/** `zbus tracker status` and `zbus topic list --all`: what a broker knows of others. */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { addressOf, startServer, untilListed } from '../tracker/tables.js';
import { CommandRunner } from './client-commands.js';

describe('zbus tracker', function () {
  this.timeout(60_000);
  afterEach(cleanUp);

  it('shows all servers and their topics, in tables and as JSON', async () => {
    const { broker: tracker, run } = await CommandRunner.start();
    const server = await startServer([tracker]);
    const client = await server.connect();
    await client.expect(200, 'declare', { topic: 'jobs' });
    await client.expect(200, 'produce', { topic: 'jobs' }, 'x');
    await untilListed(tracker, [server]);
    const [asked, other] = [addressOf(tracker), addressOf(server)];

    const [status, json, topics, own] = await Promise.all([
      run(['tracker', 'status']),
      run(['tracker', 'status', '--json']),
      run(['topic', 'list', '--all']),
      run(['topic', 'list']),
    ]);
    const lines = status.stdout.trimEnd().split('\n').sort();
    assert.equal(lines.length, 3, status.stdout);
    assert.match(status.stdout, /^SERVER +VERSION +TOPICS +MESSAGES +CONSUMERS +JOINS +CHANGED$/m);
    const time = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;
    assert.match(
      status.stdout,
      new RegExp(`^${asked} \\(asked\\) +\\S+ +1 +0 +0 +- +${time}$`, 'm'),
    );
    const joined = new RegExp(`^${other} +\\S+ +1 +[01] +0 +${asked} +${time}$`, 'm');
    assert.match(status.stdout, joined);
    const { serverTable } = JSON.parse(json.stdout) as { serverTable: object };
    assert.deepEqual(Object.keys(serverTable).sort(), [asked, other].sort());

    assert.match(topics.stdout, /^SERVER +TOPIC +MESSAGES/);
    assert.match(topics.stdout, new RegExp(`^${other} +jobs +[01] `, 'm'));
    assert.match(topics.stdout, new RegExp(`^${asked} +orders +0 `, 'm'));
    assert.match(own.stdout, /^TOPIC +MESSAGES/);
    assert.doesNotMatch(own.stdout, /jobs/);
  });

  it('says what is there where a tracker has no topics of its own', async () => {
    const tracker = await TestBroker.start({ trackerOnly: true });
    const { begin } = await CommandRunner.start();
    const zbus = begin(['topic', 'list', '--all', '--json', '-s', `127.0.0.1:${tracker.port}`]);
    zbus.process.stdin.end();
    assert.equal(await zbus.exit(), 0, zbus.stderr);
    assert.deepEqual(JSON.parse(zbus.stdout), []);
  });
});
