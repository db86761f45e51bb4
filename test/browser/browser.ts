import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** The shell first: it is Chromium without the windows that nobody sees, and costs half. */
const CANDIDATES = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'].map(
  (name) => `/usr/bin/${name}`,
);
const executablePath = process.env.CHROMIUM_PATH || CANDIDATES.find((path) => existsSync(path));

const EMPTY = 'about:blank';
const WINDOW = { width: 1280, height: 800 };

/** How long something may take that takes a moment on a machine with nothing else to do. */
const PATIENCE_MS = 30_000;

/** Why browser tests are skipped, or false. With GUILDWAY_REQUIRE_BROWSER=1 a missing browser is a failure. */
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

  /** A page with cookies and storage of its own. */
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

  /** Makes a page as good as a new one, which would cost a second, and closes all others. */
  async renew(page: Page): Promise<void> {
    for (const context of this.#browser.contexts()) if (context !== page.context()) await context.close();
    for (const other of page.context().pages()) if (other !== page) await other.close();
    await page.context().clearCookies();
    // A page that was not used has no storage, and refuses to clear it.
    if (page.url() !== EMPTY) await page.evaluate('localStorage.clear(); sessionStorage.clear()');
    await page.goto(EMPTY);
    await page.setViewportSize(WINDOW);
  }

  /** Takes back one that belongs to the test, such as that of a page that is refused. */
  expectProblem(pattern: RegExp): void {
    const index = this.#problems.findIndex((problem) => pattern.test(problem));
    assert.notEqual(index, -1, `nothing like ${pattern} was written into a console`);
    this.#problems.splice(index, 1);
  }

  /** Fails with what pages wrote into their consoles since the last time. */
  assertNoProblems(): void {
    assert.deepEqual(this.#problems.splice(0), []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

/** Fails when something is wider than the window, so that one would have to scroll sideways. */
export async function assertFits(page: Page): Promise<void> {
  const [content, window] = (await page.evaluate('[document.documentElement.scrollWidth, innerWidth]')) as [
    number,
    number,
  ];
  assert.ok(content <= window, `the page is ${content} pixels wide, the window ${window}`);
}

/** Waits for what no element on the page says. @throws when it is not so in time */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !(await condition()); ) {
    assert.ok(performance.now() < end, `waited for ${PATIENCE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
