/** Every command has a rule, and the page for users shows the rules as they are. */
import assert from 'node:assert/strict';
import { operations, ruleOf } from '../../../src/auth/operations.js';
import { commands } from '../../../src/broker/commands.js';
import { CommandName } from '../../../src/protocol/commands.js';
import { readText } from '../../tidy/sources.js';

describe('the rules of commands', () => {
  it('leave out no command, served or not', () => {
    const names = new Set<string>([...Object.values(CommandName), ...commands.keys()]);
    const without = [...names].filter((name) => ruleOf(name) === undefined);
    assert.deepEqual(without, []);
  });

  it('are none for what is no command', () => {
    for (const name of ['orders', '__proto__', 'constructor', 'PRODUCE']) {
      assert.equal(ruleOf(name), undefined, name);
    }
  });

  it('let nobody in without a token but to these', () => {
    const open = Object.values(CommandName).filter((name) => ruleOf(name)?.operation === null);
    assert.deepEqual(open.sort(), ['', 'health', 'heartbeat', 'login', 'logout', 'ping', 'ready']);
  });

  it('stand in docs/operations.md, each command at its operation', () => {
    const rows = readText('docs/operations.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    for (const operation of operations) {
      const row = rows.find(([, first]) => first === `\`${operation}\``);
      assert(row, `no row for ${operation}`);
      const needing = Object.values(CommandName).filter(
        (name) => ruleOf(name)?.operation === operation,
      );
      const shown = (row[2] ?? '').match(/`[a-z_]+`/g) ?? [];
      assert.deepEqual(shown.sort(), needing.map((name) => `\`${name}\``).sort(), operation);
    }
  });
});
