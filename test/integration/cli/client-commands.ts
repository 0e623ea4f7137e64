/**
 * Commands of the client, run against a broker in the process of the test. Used by the tests of
 * produce, consume, tail, topic and group.
 */
import assert from 'node:assert/strict';
import { TestBroker } from '../../support/broker.js';
import type { Client } from '../../support/client.js';
import { tempFolder } from '../../support/temp-folder.js';
import { ZbusCommand } from './zbus-command.js';

/** Its functions may be taken out of it. */
export class CommandRunner {
  readonly broker: TestBroker;
  readonly client: Client;
  readonly #cwd = tempFolder();

  private constructor(broker: TestBroker, client: Client) {
    this.broker = broker;
    this.client = client;
  }

  /** A broker with the topic `orders`. */
  static async start(): Promise<CommandRunner> {
    const broker = await TestBroker.start();
    const client = await broker.connect();
    await client.expect(200, 'declare', { topic: 'orders' });
    return new CommandRunner(broker, client);
  }

  /** Begins a command; its stdin stays open. */
  readonly begin = (
    parameters: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): ZbusCommand => {
    const server = `127.0.0.1:${this.broker.port}`;
    return new ZbusCommand(parameters, this.#cwd, { ZBUS_SERVER: server, ...env });
  };

  /** Runs a command to its end, which must be that of success. */
  readonly run = async (
    parameters: readonly string[],
    input: string | Buffer = '',
  ): Promise<ZbusCommand> => {
    const zbus = this.begin(parameters);
    zbus.process.stdin.end(input);
    assert.equal(await zbus.exit(), 0, zbus.stderr);
    return zbus;
  };

  /** Runs a command that must be refused with one line, and returns the line. */
  readonly refusal = async (
    parameters: readonly string[],
    exitCode: number,
    env: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const zbus = this.begin(parameters, env);
    zbus.process.stdin.end();
    assert.equal(await zbus.exit(), exitCode, zbus.stderr);
    assert.equal(zbus.stdout, '');
    assert.match(zbus.stderr, /^zbus: [^\n]+\n$/, 'one line on stderr');
    return zbus.stderr;
  };

  readonly produce = async (
    body: string | Buffer,
    headers: Record<string, string> = {},
  ): Promise<void> => {
    await this.client.expect(200, 'produce', { topic: 'orders', ...headers }, body);
  };

  readonly json = async (topic = 'orders', group?: string): Promise<Record<string, unknown>> => {
    const names = group === undefined ? { topic } : { topic, consume_group: group };
    const reply = await this.client.expect(200, 'query', names);
    return JSON.parse(reply.body.toString()) as Record<string, unknown>;
  };
}
