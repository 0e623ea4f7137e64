/** `zbus completion`: what bash offers, asked through the script that it sources. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compileTypeScript } from '../../../scripts/compile-typescript.mjs';
import { root } from '../../../scripts/toolchain.mjs';
import { TestBroker } from '../../support/broker.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { needProgram } from '../../support/programs.js';
import { tempFolder } from '../../support/temp-folder.js';
import { openBus } from '../client/buses.js';
import { ZbusCommand } from './zbus-command.js';

const run = promisify(execFile);
const MAIN = join(root, 'dist/cli/main.js');

/** Sets what bash sets before it calls the function of a completion. The script is made once. */
const ASK = `
  ask() {
    COMP_LINE=$1 COMP_POINT=\${#1}; shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _zbus_complete zbus
    printf '%s\\n' "\${COMPREPLY[@]}"
  }
  source completion.bash
`;

/** As bash cuts a line: at blanks, and at = and :, which are words of their own. */
function bashWords(line: string): string[] {
  return line.split(/\s+/).flatMap((word) => word.match(/[=:]|[^=:]+/g) ?? ['']);
}

describe('zbus completion', () => {
  let bash: string;
  let bin: string;
  let script: string;

  before(async function () {
    bash = needProgram(this, 'bash', 'bash');
    compileTypeScript();
    ({ stdout: script } = await run(process.execPath, [MAIN, 'completion', 'bash']));
  });
  beforeEach(() => {
    bin = tempFolder();
    const zbus = join(bin, 'zbus');
    writeFileSync(zbus, `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" "$@"\n`);
    chmodSync(zbus, 0o755);
    writeFileSync(join(bin, 'completion.bash'), script);
  });
  afterEach(cleanUp);

  async function offers(line: string, port = 1): Promise<string[]> {
    const words = bashWords(line).map((word) => `'${word}'`);
    const env = {
      ...process.env,
      PATH: `${bin}:${process.env.PATH ?? ''}`,
      ZBUS_SERVER: `127.0.0.1:${port}`,
    };
    const asking = `${ASK} ask '${line}' ${words.join(' ')}`;
    const { stdout, stderr } = await run(bash, ['--norc', '-c', asking], { env, cwd: bin });
    assert.equal(stderr, '');
    return stdout.split('\n').filter((offer) => offer !== '');
  }

  it('offers commands, commands below them, and options', async () => {
    assert.deepEqual(await offers('zbus con'), ['consume']);
    assert.deepEqual(await offers('zbus rpc '), ['call', 'serve']);
    assert.deepEqual(await offers('zbus bench --conn'), ['--connections']);
    assert(
      (await offers('zbus --ack')).includes('--ack-level'),
      'the broker runs without a command',
    );
  });

  it('offers the values that an option or an argument may have', async () => {
    const levels = ['disk', 'page', 'none'];
    const expected = new Map([
      ['zbus bench p', ['produce']],
      ['zbus bench --ack-level ', levels],
      ['zbus produce orders --ack-level ', levels],
      ['zbus topic declare orders --ack-level ', levels],
      ['zbus --ack-level ', levels],
      ['zbus serve --ack-level=p', ['page']],
      ['zbus topic declare orders --mask m', ['memory']],
      ['zbus group declare orders g --mask e', ['exclusive']],
      ['zbus completion po', ['powershell']],
    ]);
    const lines = [...expected.keys()];
    const offered = await Promise.all(lines.map((line) => offers(line)));
    assert.deepEqual(new Map(lines.map((line, i) => [line, offered[i]])), expected);
  });

  it('offers topics of the broker, of any script and with colons', async () => {
    const broker = await TestBroker.start();
    const bus = await openBus(broker);
    await bus.declare('eu:orders');
    await bus.declare('注文');
    assert.deepEqual(await offers('zbus consume 注', broker.port), ['注文']);
    assert.deepEqual(await offers('zbus consume eu:o', broker.port), ['orders']);
    const elsewhere = `zbus consume -s 127.0.0.1:${broker.port} 注`;
    assert.deepEqual(await offers(elsewhere), ['注文']);
  });

  it('offers the groups of the topic that was named', async () => {
    const broker = await TestBroker.start();
    const bus = await openBus(broker);
    await bus.declare('eu:orders', { group: 'billing' });
    await bus.declare('eu:orders', { group: 'Käufer' });
    await bus.declare('others', { group: 'Kunden' });
    assert.deepEqual(await offers('zbus group show eu:orders K', broker.port), ['Käufer']);
    const groups = await offers('zbus consume eu:orders --group ', broker.port);
    assert.deepEqual(groups.sort(), ['Käufer', 'billing']);
  });

  it('offers nothing and says nothing where no broker is', async () => {
    assert.deepEqual(await offers('zbus consume '), []);
  });

  it('does not wait for a broker that does not answer', async () => {
    const mute = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    onCleanUp(() => {
      mute.close();
    });
    const { port } = mute.address() as AddressInfo;
    assert.deepEqual(await offers('zbus consume ', port), []);
  });

  it('what was typed so far is never run', async () => {
    const line = 'zbus consume $(touch${IFS}ran) ';
    await offers(line);
    assert.deepEqual(
      await run('ls', [], { cwd: bin }).then(({ stdout }) => stdout),
      'completion.bash\nzbus\n',
    );
  });

  for (const [shell, sign] of [
    ['zsh', '#compdef zbus'],
    ['fish', 'complete -c zbus'],
    ['powershell', 'Register-ArgumentCompleter'],
  ] as const) {
    it(`has a script for ${shell}`, async () => {
      const command = new ZbusCommand(['completion', shell], bin);
      assert.equal(await command.exit(), 0);
      assert(command.stdout.includes(sign));
    });
  }
});
