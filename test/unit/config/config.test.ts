/** What a configuration promises: precedence, rules, and names that are refused. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ConfigKey,
  configKeys,
  configSchema,
  defaultConfig,
  environmentName,
  flagName,
  optionInfo,
} from '../../../src/config/config.js';
import { ConfigError } from '../../../src/config/config-error.js';
import { type ConfigSources, loadConfig } from '../../../src/config/sources.js';
import { cleanUp } from '../../support/cleanup.js';
import { tempFolder } from '../../support/temp-folder.js';

function configFile(text: string): string {
  const file = join(tempFolder(), 'zbus.json');
  writeFileSync(file, text);
  return file;
}

function refusal(sources: ConfigSources): string {
  try {
    loadConfig(sources);
  } catch (error) {
    assert(error instanceof ConfigError);
    assert(!error.message.includes('\n'), 'the message is one line');
    return error.message;
  }
  assert.fail('the configuration was taken');
}

describe('configuration', () => {
  afterEach(cleanUp);

  it('is the defaults when nothing is given', () => {
    assert.deepEqual(loadConfig(), defaultConfig);
    assert.equal(defaultConfig.serverAddress, '127.0.0.1:15555');
    assert.equal(defaultConfig.ackLevel, 'disk');
  });

  it('takes the file before the defaults', () => {
    const config = loadConfig({ file: configFile('{"ackLevel": "page", "verbose": true}') });
    assert.equal(config.ackLevel, 'page');
    assert.equal(config.verbose, true);
    assert.equal(config.mqDir, defaultConfig.mqDir);
  });

  it('takes the environment before the file', () => {
    const file = configFile('{"ackLevel": "page", "topicsMax": 7}');
    const config = loadConfig({ file, env: { ZBUS_ACK_LEVEL: 'none' } });
    assert.equal(config.ackLevel, 'none');
    assert.equal(config.topicsMax, 7);
  });

  it('takes a flag before the environment', () => {
    const env = { ZBUS_ACK_LEVEL: 'none', ZBUS_TOPICS_MAX: '7' };
    const config = loadConfig({ env, flags: { ackLevel: 'disk' } });
    assert.equal(config.ackLevel, 'disk');
    assert.equal(config.topicsMax, 7);
  });

  it('takes a switch that a flag turns off before one that the environment turns on', () => {
    const config = loadConfig({ env: { ZBUS_VERBOSE: '1' }, flags: { verbose: false } });
    assert.equal(config.verbose, false);
  });

  it('finds the file by ZBUS_CONFIG, unless another is named', () => {
    const env = { ZBUS_CONFIG: configFile('{"topicsMax": 1}') };
    assert.equal(loadConfig({ env }).topicsMax, 1);
    assert.equal(loadConfig({ env, file: configFile('{"topicsMax": 2}') }).topicsMax, 2);
  });

  it('takes sizes as numbers and as text with a unit', () => {
    for (const blockBytes of [1048576, '1048576', '1024KiB', '1 MiB', '1mib']) {
      assert.equal(loadConfig({ flags: { blockBytes } }).blockBytes, 1048576, `${blockBytes}`);
    }
  });

  it('takes an empty variable as none where an option may be none', () => {
    const file = configFile('{"logDir": "logs"}');
    assert.equal(loadConfig({ file, env: { ZBUS_LOG_DIR: '' } }).logDir, null);
  });

  it('accepts the example of every option', () => {
    for (const key of configKeys) {
      const flags = { [key]: optionInfo(key).example };
      assert.notEqual(loadConfig({ flags })[key], defaultConfig[key], key);
    }
  });

  it('names flags and variables after the option', () => {
    assert.equal(flagName('syncIntervalMs'), '--sync-interval-ms');
    assert.equal(environmentName('syncIntervalMs'), 'ZBUS_SYNC_INTERVAL_MS');
  });
});

describe('configuration that is refused', () => {
  afterEach(cleanUp);

  const wrong: Partial<Record<ConfigKey, unknown[]>> = {
    ackLevel: ['fast', '', 1, null],
    syncIntervalMs: [0, -1, 1.5, '1.5', '1e3', '0x10', '', ' 5', null, 60_001],
    blockBytes: ['64KB', 65535, '63KiB', '2GiB', 'big', '1.5MiB'],
    verbose: ['yes', 2, null],
    mqDir: ['', 5, null],
    bodyBytesMax: [-1, '1025MiB'],
  };
  for (const [key, values] of Object.entries(wrong)) {
    for (const value of values) {
      it(`${key} of ${JSON.stringify(value)}`, () => {
        const flag = flagName(key as ConfigKey);
        const message = refusal({ flags: { [key]: value } });
        assert(message.startsWith(`${flag} must`), message);
      });
    }
  }

  it('says where the wrong value stands', () => {
    const file = configFile('{"topicsMax": 0}');
    assert.equal(refusal({ file }), `"topicsMax" in ${file} must be at least 1, not 0`);
    assert.match(refusal({ env: { ZBUS_TOPICS_MAX: '0' } }), /^ZBUS_TOPICS_MAX must be at least 1/);
  });

  it('names the nearest known option for an unknown one in the file', () => {
    const file = configFile('{"acklevel": "disk"}');
    assert.match(refusal({ file }), /unknown option "acklevel" in .*; the nearest .* is ackLevel$/);
  });

  it('names the nearest known variable for an unknown one', () => {
    const message = refusal({ env: { ZBUS_MQ_DIRR: 'x' } });
    assert.match(message, /ZBUS_MQ_DIRR; the nearest known one is ZBUS_MQ_DIR$/);
  });

  it('names the nearest known option for an unknown one of a program', () => {
    assert.match(refusal({ flags: { serverAdress: 'x' } }), /is serverAddress$/);
  });

  it('tells all problems at once', () => {
    const message = refusal({ flags: { topicsMax: 0 }, env: { ZBUS_X: '', ZBUS_VERBOSE: 'x' } });
    assert.match(message, /--topics-max must/);
    assert.match(message, /ZBUS_X/);
    assert.match(message, /ZBUS_VERBOSE/);
  });

  it('a file that is not there', () => {
    assert.match(refusal({ file: join(tempFolder(), 'none.json') }), /none\.json: ENOENT/);
  });

  for (const text of ['', '{', '[]', 'null', '"x"', '{"topicsMax":\n\n x}']) {
    it(`a file that holds ${JSON.stringify(text)}`, () => {
      assert.match(refusal({ file: configFile(text) }), /configuration file .*zbus\.json/);
    });
  }

  for (const name of ['__proto__', 'constructor', 'toString']) {
    it(`an option named ${name}`, () => {
      assert.match(refusal({ file: configFile(`{"${name}": {}}`) }), /unknown option/);
    });
  }

  it('but not the variables that others set with our prefix', () => {
    const env = {
      ZBUS_REQUIRE_ALL: '1',
      ZBUS_TEST_RESULTS: 'x',
      ZBUS_PREBUILD: 'x',
      ZBUS_SERVICE_HOST: '10.0.0.1',
      ZBUS_SERVICE_PORT: '15555',
      ZBUS_PORT: 'tcp://10.0.0.1:15555',
      ZBUS_PORT_15555_TCP_ADDR: '10.0.0.1',
      PATH: 'x',
    };
    assert.deepEqual(loadConfig({ env }), defaultConfig);
  });
});

describe('the list of options', () => {
  it('has a default for each that its own rule takes', () => {
    assert.deepEqual(configSchema.parse({ ...defaultConfig }), defaultConfig);
  });

  it('cannot be changed by a program that holds the defaults', () => {
    assert(Object.isFrozen(defaultConfig));
  });
});
