/** Logging in and out, and the page that each token sees. */
import assert from 'node:assert/strict';
import type { Config } from '../../../src/config/config.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { secretOf, token, tokenFile } from '../../support/tokens.js';

const ALL = token('all', ['*']);
const UNKNOWN = secretOf('nobody');

function start(config: Partial<Config> = {}): Promise<TestBroker> {
  return TestBroker.start({ tokenFile: tokenFile([ALL]), ...config });
}

describe('logging in', () => {
  afterEach(cleanUp);

  function login(broker: TestBroker, type: string, body: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${broker.port}/login`, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
      redirect: 'manual',
    });
  }

  const FORM = 'application/x-www-form-urlencoded';
  const COOKIE = `zbus_token=${ALL.secret}; Path=/; HttpOnly; SameSite=Strict`;

  it('with the form sets the cookie and leads to the page', async () => {
    const broker = await start();
    const reply = await login(broker, FORM, `token=${encodeURIComponent(ALL.secret)}`);
    assert.equal(reply.status, 303);
    assert.equal(reply.headers.get('location'), '/');
    assert.equal(reply.headers.get('set-cookie'), COOKIE);
    const cookie = `zbus_token=${ALL.secret}`;
    const page = await fetch(`http://127.0.0.1:${broker.port}/`, { headers: { cookie } });
    assert.equal(page.status, 200);
    assert.match(await page.text(), /Logged in with the token\s+all/);
  });

  it('with JSON sets the cookie', async () => {
    const reply = await login(await start(), 'application/json', `{"token":"${ALL.secret}"}`);
    assert.equal(reply.status, 204);
    assert.equal(reply.headers.get('set-cookie'), COOKIE);
  });

  it('with a wrong token sets none, and shows the form again', async () => {
    const broker = await start();
    for (const [type, body] of [
      [FORM, `token=${UNKNOWN}`],
      [FORM, `token=${ALL.secret}%0d%0aset-cookie:%20a=b`],
      ['application/json', `{"token":"${UNKNOWN}"}`],
    ] as const) {
      const reply = await login(broker, type, body);
      assert.equal(reply.status, 401);
      assert.equal(reply.headers.get('set-cookie'), null);
      const text = await reply.text();
      assert.equal(text.includes('<form method="post" action="/login">'), type === FORM);
      assert(!text.includes(UNKNOWN) && !text.includes(ALL.secret));
    }
  });

  it('needs a POST with a body that has a token', async () => {
    const broker = await start();
    const client = await broker.connect();
    const get = await client.get(`/login?body=token=${ALL.secret}`);
    assert.equal(get.status, 405);
    assert.equal(get.headers.get('allow'), 'POST');
    for (const [type, body] of [
      [FORM, 'x=y'],
      ['application/json', '{"token":7}'],
      ['application/json', '{"token"'],
      ['application/json', 'null'],
      ['text/plain', `token=${ALL.secret}`],
    ] as const) {
      assert.equal((await login(broker, type, body)).status, 400, body);
    }
    const url = `/login?body=token=${ALL.secret}`;
    client.write(`POST ${url} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    assert.equal((await client.next()).status, 400);
  });

  it('is kept from pages of other sites', async () => {
    const broker = await start();
    const reply = await fetch(`http://127.0.0.1:${broker.port}/login`, {
      method: 'POST',
      headers: { 'content-type': FORM, origin: 'http://evil.example' },
      body: `token=${ALL.secret}`,
    });
    assert.equal(reply.status, 403);
    assert.equal(reply.headers.get('set-cookie'), null);
  });

  it('ends with the cookie taken away', async () => {
    const broker = await start();
    const reply = await fetch(`http://127.0.0.1:${broker.port}/logout`, {
      method: 'POST',
      redirect: 'manual',
    });
    assert.equal(reply.status, 303);
    assert.match(reply.headers.get('set-cookie') ?? '', /^zbus_token=; .*Max-Age=0$/);
    assert.equal((await (await broker.connect()).get('/logout')).status, 405);
  });

  it('is asked for at / by a form that tells nothing of the broker', async () => {
    const client = await (await start()).connect();
    const page = await client.get('/');
    assert.equal(page.status, 401);
    assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
    const text = page.body.toString();
    assert.match(text, /<form method="post" action="\/login">/);
    assert.doesNotMatch(text, /127\.0\.0\.1|\d\.\d\.\d|<script|Commands/);
  });

  it('shows each token the commands that it allows', async () => {
    const reader = token('reader', ['consume', 'query']);
    const broker = await start({ tokenFile: tokenFile([ALL, reader]) });
    const client = await broker.connect();
    const page = (await client.get('/', { token: reader.secret })).body.toString();
    const commands = [...page.matchAll(/row">\/([a-z]+)/g)].map(([, name]) => name);
    // The last is the client for pages, /zbus.js.
    assert.deepEqual([...new Set(commands)], ['consume', 'ack', 'nack', 'query', 'ping', 'zbus']);
  });

  it('is not needed without tokens', async () => {
    const broker = await TestBroker.start();
    assert.equal((await login(broker, FORM, 'token=x')).status, 404);
    const page = await (await broker.connect()).get('/');
    assert.equal(page.status, 200);
    assert.doesNotMatch(page.body.toString(), /<form/);
  });
});
