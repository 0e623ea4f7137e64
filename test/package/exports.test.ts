/**
 * What the tarball promises to those who import it: publint and Are The Types Wrong find no fault,
 * and bundlers and compilers of programs for pages take the client for pages.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { type Installed, installPackage, root } from './installed.js';

const run = promisify(execFile);

describe('the exports of the package', function () {
  this.timeout(300_000);
  let installed: Installed;

  before(async () => {
    installed = await installPackage();
  });

  it('are without fault to publint', async () => {
    const pkgDir = join(installed.folder, 'node_modules/zbus');
    const { messages, pkg } = await publint({ pkgDir, pack: false, strict: true });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg, { color: false })),
      [],
    );
  });

  it('have types that are not wrong', async () => {
    const attw = join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js');
    // The package is of ES modules alone: how those who cannot import them see it is no fault.
    const profile = ['--profile', 'esm-only'];
    const parameters = [attw, installed.tarball, ...profile, '--no-emoji', '--format', 'ascii'];
    await run(process.execPath, parameters).catch((error: unknown) => {
      assert.fail((error as { stdout: string }).stdout);
    });
  });

  /** Folder of a program in which the package is installed and the types of Node are not. */
  function writePage(name: string, text: string): string {
    const folder = join(installed.folder, name);
    mkdirSync(folder);
    writeFileSync(join(folder, 'page.ts'), text);
    return folder;
  }

  for (const specifier of ['zbus', 'zbus/browser']) {
    it(`let a bundler of a page import ${specifier}`, async () => {
      const folder = writePage(
        `bundled-${specifier.replace('/', '-')}`,
        `import { connect } from '${specifier}'; export const bus = await connect(['ws://h']);`,
      );
      const { metafile, warnings } = await build({
        entryPoints: [join(folder, 'page.ts')],
        bundle: true,
        write: false,
        metafile: true,
        format: 'esm',
        platform: 'browser',
      });
      const inputs = Object.keys(metafile.inputs).flatMap((path) => path.split('/zbus/').slice(1));
      assert.deepEqual([inputs, warnings], [['dist/browser.js'], []]);
    });
  }

  it('need no types of Node in a program for pages', async () => {
    const folder = writePage(
      'typed',
      `import { type Bus, connect, Mask, ZbusError } from 'zbus/browser';
      const bus: Bus = await connect(undefined, { token: 'x' });
      for await (const message of bus.consume<{ a: number }>('T', { mask: Mask.ackRequired })) {
        const bytes: Uint8Array = message.bytes;
        const delayMs: number = message.json().a + bytes.length;
        // @ts-expect-error it is not any
        message.bytes satisfies string;
        await message.nack({ delayMs });
      }
      const sum: number = await bus.rpc<{ plus(a: number, b: number): number }>('c').plus(1, 2);
      if (sum === 3) document.title = ZbusError.name;`,
    );
    const compilerOptions = {
      module: 'esnext',
      moduleResolution: 'bundler',
      target: 'ES2022',
      lib: ['ES2022', 'DOM', 'DOM.Iterable'],
      types: [],
      strict: true,
      noEmit: true,
    };
    const tsconfig = JSON.stringify({ compilerOptions, files: ['page.ts'] });
    writeFileSync(join(folder, 'tsconfig.json'), tsconfig);
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    await run(process.execPath, [tsc, '-p', folder]).catch((error: unknown) => {
      assert.fail((error as { stdout: string }).stdout);
    });
  });
});
