import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** Prefers the headless shell, which has no windows and costs half. */
const CANDIDATES = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'].map(
  (name) => `/usr/bin/${name}`,
);
const executablePath = process.env.CHROMIUM_PATH || CANDIDATES.find((path) => existsSync(path));

const EMPTY = 'about:blank';
const WINDOW = { width: 1280, height: 800 };

/** A generous timeout for actions that are immediate on an idle machine. */
const PATIENCE_MS = 30_000;

/** The reason for skipping browser tests, or false. With GUILDWAY_REQUIRE_BROWSER=1 a missing browser is a failure. */
export const skip =
  executablePath === undefined && process.env.GUILDWAY_REQUIRE_BROWSER !== '1'
    ? 'no Chromium was found (apt-get install chromium, or set CHROMIUM_PATH)'
    : false;

/** A browser whose pages must not write errors into their consoles. */
export class TestBrowser implements AsyncDisposable {
  readonly #browser: Browser;
  readonly #problems: string[] = [];

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async launch(): Promise<TestBrowser> {
    assert.ok(executablePath !== undefined, 'no Chromium was found, and GUILDWAY_REQUIRE_BROWSER=1 asks for one');
    const flags = '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking';
    const args = [...flags.split(' '), '--disable-component-update', '--disable-sync'];
    return new TestBrowser(await chromium.launch({ executablePath, args }));
  }

  /** A page with separate cookies and storage. */
  async page(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: WINDOW, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('pageerror', (error) => this.#problems.push(`${page.url()}: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') {
        this.#problems.push(`${page.url()}: ${message.text()}`);
      }
    });
    return page;
  }

  /** Resets a page, because a new one takes a second, and closes all others. */
  async renew(page: Page): Promise<void> {
    for (const context of this.#browser.contexts()) if (context !== page.context()) await context.close();
    for (const other of page.context().pages()) if (other !== page) await other.close();
    await page.context().clearCookies();
    // An unused page has no storage and refuses to clear it.
    if (page.url() !== EMPTY) await page.evaluate('localStorage.clear(); sessionStorage.clear()');
    await page.goto(EMPTY);
    await page.setViewportSize(WINDOW);
  }

  /** Removes an expected error, such as that of a rejected page. */
  expectProblem(pattern: RegExp): void {
    const index = this.#problems.findIndex((problem) => pattern.test(problem));
    assert.notEqual(index, -1, `nothing like ${pattern} was written into a console`);
    this.#problems.splice(index, 1);
  }

  /** Fails if pages wrote errors to their consoles since the last call. */
  assertNoProblems(): void {
    assert.deepEqual(this.#problems.splice(0), []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

/** Fails if an element is wider than the window, which would require horizontal scrolling. */
export async function assertFits(page: Page): Promise<void> {
  const [content, window] = (await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')) as [
    number,
    number,
  ];
  assert.ok(content <= window, `the page is ${content} pixels wide, the window ${window}`);
}

/** Waits for a condition that no element shows. @throws after the timeout */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !(await condition()); ) {
    assert.ok(performance.now() < end, `waited for ${PATIENCE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
