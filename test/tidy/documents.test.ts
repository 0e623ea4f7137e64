/** The documents name everything that the code has: error codes, options. */
import assert from 'node:assert/strict';
import {
  configKeys,
  defaultText,
  environmentName,
  flagName,
  optionInfo,
} from '../../src/config/config.js';
import { createProgram, defineCommand } from '../../src/cli/program.js';
import { readText } from './sources.js';

describe('documents', () => {
  it('docs/protocol.md explains every error code', () => {
    const codes = readText('src/errors.ts').match(/'ZBUS_[A-Z_]+'/g) ?? [];
    assert(codes.length > 0, 'no codes found in src/errors.ts');
    const page = readText('docs/protocol.md');
    const missing = codes.map((code) => code.slice(1, -1)).filter((code) => !page.includes(code));
    assert.deepEqual(missing, []);
  });

  it('docs/client.md explains every error code of the client', () => {
    const codes = readText('src/client/errors.ts').match(/'ZBUS_[A-Z_]+'/g) ?? [];
    assert(codes.length > 0, 'no codes found in src/client/errors.ts');
    const page = readText('docs/client.md');
    const missing = codes.map((code) => code.slice(1, -1)).filter((code) => !page.includes(code));
    assert.deepEqual(missing, []);
  });

  it('docs/operations.md has a row for every option with its flag, variable and default', () => {
    const rows = readText('docs/operations.md')
      .split('\n')
      .filter((line) => line.startsWith('|'));
    for (const key of configKeys) {
      const row = rows.find((line) => line.startsWith(`| \`${key}\` `));
      assert(row !== undefined, `no row for ${key}`);
      for (const text of [flagName(key), environmentName(key), defaultText(key)]) {
        assert(row.includes(`\`${text}\``), `the row of ${key} lacks ${text}`);
      }
    }
  });

  it('zbus serve --help explains every option with its variable', async () => {
    const serve = createProgram().commands.find((command) => command.name() === 'serve');
    assert(serve !== undefined);
    await defineCommand(serve);
    const help = serve.helpInformation().replace(/\s+/g, ' ');
    for (const key of configKeys) {
      for (const text of [flagName(key), environmentName(key), optionInfo(key).description]) {
        assert(help.includes(text), `--help lacks ${text}`);
      }
    }
  });

  it('every option has a description and an example of its own', () => {
    const descriptions = configKeys.map((key) => optionInfo(key).description);
    assert.equal(new Set(descriptions).size, configKeys.length);
  });
});
