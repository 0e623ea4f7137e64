/**
 * A page in Chromium with the client that the broker serves and the functions of page-program.ts.
 * Whatever the browser complains about, and nobody caught, is kept.
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import type * as program from './page-program.js';

/** The functions, without the service. */
type Program = Omit<typeof program, 'calculator'>;
type FunctionName = keyof Program;

const PROGRAM_URL = '/page-program.js';
let bundled: Promise<string> | undefined;

/** The program, which loads the client from `clientUrl`: what is tested is what is served. */
async function bundleProgram(clientUrl: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('page-program.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    plugins: [
      {
        name: 'served client',
        setup: (setup) => {
          const client = { path: clientUrl, external: true };
          // Whatever of it a program imports: the bundle has all that is public.
          setup.onResolve({ filter: /\/src\/.*\.js$/ }, () => client);
        },
      },
    ],
  });
  return outputFiles.map(({ text }) => text).join('');
}

export class ClientPage {
  readonly page: Page;
  /** Errors and lines on the console. */
  readonly complaints: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on('console', (message) => {
      // The browser asks for it by itself; there is none.
      if (!message.location().url.endsWith('/favicon.ico')) this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(error.message));
  }

  /** Opens `url`, whose page may load the client from `clientUrl`. */
  static async open(browser: Browser, url: string, clientUrl = '/zbus.js'): Promise<ClientPage> {
    const page = await browser.newPage();
    const opened = new ClientPage(page);
    bundled ??= bundleProgram('CLIENT_URL');
    const body = (await bundled).replaceAll('CLIENT_URL', clientUrl);
    await page.route(`**${PROGRAM_URL}`, (route) =>
      route.fulfill({ contentType: 'text/javascript', body }),
    );
    await page.goto(url);
    return opened;
  }

  /** Calls the function of page-program.ts in the page. */
  async run<Name extends FunctionName>(
    name: Name,
    ...parameters: Parameters<Program[Name]>
  ): Promise<Awaited<ReturnType<Program[Name]>>> {
    const list = Array.from<unknown, string>(parameters, (one) =>
      one === undefined ? 'undefined' : JSON.stringify(one),
    );
    const call = `import('${PROGRAM_URL}').then((program) => program.${name}(${list.join()}))`;
    return this.page.evaluate<Awaited<ReturnType<Program[Name]>>>(call);
  }

  /** Fails when the browser complained about anything but what matches. */
  checkComplaints(expected?: RegExp): void {
    const rest = this.complaints.filter((text) => expected?.test(text) !== true);
    assert.deepEqual(rest, [], 'the browser complained');
  }
}
