/** The monitor page in Chromium, as its tests use it: opened, watched for complaints, checked. */
import assert from 'node:assert/strict';
import axe from 'axe-core';
import type { Browser, Locator, Page } from 'playwright-core';
import { onCleanUp } from '../support/cleanup.js';

/** Chromium says these by itself: of broken connections, of refusals, of forms without a name. */
const ITS_OWN =
  /^(WebSocket connection to '.*' failed|Failed to load resource: .* 40[13] |\[DOM\])/;

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}

export class MonitorPage {
  readonly page: Page;
  readonly origins = new Set<string>();
  readonly #url: string;
  readonly #complaints: string[] = [];

  private constructor(page: Page, url: string) {
    this.page = page;
    this.#url = url;
    page.on('console', (message) => {
      if (!ITS_OWN.test(message.text())) this.#complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.#complaints.push(error.message));
    page.on('request', (request) => this.origins.add(new URL(request.url()).origin));
  }

  /** Closed, and checked for complaints of the browser, by cleanUp. */
  static async open(browser: Browser, port: number, hash = '#/'): Promise<MonitorPage> {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    const opened = new MonitorPage(page, `http://127.0.0.1:${port}/`);
    onCleanUp(async () => {
      await page.close();
      assert.deepEqual(opened.#complaints, []);
    });
    await page.goto(opened.#url + hash);
    return opened;
  }

  async view(hash: string): Promise<void> {
    await this.page.goto(this.#url + hash);
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name, exact: typeof name === 'string' });
  }

  field(name: string): Locator {
    return this.page.getByLabel(name);
  }

  heading(name: string): Locator {
    return this.page.getByRole('heading', { name });
  }

  /** The row of a table that begins with this. */
  row(name: string): Locator {
    const header = this.page.getByRole('rowheader', { name: new RegExp(`^${name}( |$)`) });
    return this.page.getByRole('row').filter({ has: header });
  }

  /** Waits until it is seen. */
  async sees(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).first().waitFor();
  }

  /** What stands in the way of people with other abilities, by WCAG A and AA. */
  async violations(): Promise<string[]> {
    await this.page.evaluate(axe.source);
    const run = `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] })
      .then(({ violations }) => violations)`;
    const found = await this.page.evaluate<readonly Violation[]>(run);
    return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  }
}
