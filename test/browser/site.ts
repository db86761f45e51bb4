import { after } from 'node:test';
import type { Page } from 'playwright-core';
import { type Cluster, startCluster } from '../../testkit/cluster/index.ts';
import type { DiscordSimulator } from '../../testkit/discord/index.ts';
import { TestBrowser } from './browser.ts';

export const GATEWAY_PODS = 2;
/** The guilds below this one are those of the console's tests, the others those of the guild page's. */
export const FIRST_OF_GUILD_PAGE = 12;

/** What browser tests use. */
export interface Site {
  readonly cluster: Cluster;
  readonly simulator: DiscordSimulator;
  readonly browser: TestBrowser;
  readonly page: Page;
}

const started = new AsyncDisposableStack();
let site: Promise<Site> | null = null;

/** One for all tests of this process: a browser and the pods of a cluster cost seconds. */
export function openSite(): Promise<Site> {
  site ??= open();
  return site;
}

async function open(): Promise<Site> {
  const cluster = started.use(
    await startCluster({
      httpPods: 1,
      gatewayPods: GATEWAY_PODS,
      mostGatewayPods: GATEWAY_PODS + 1,
      guilds: FIRST_OF_GUILD_PAGE + 6,
    }),
  );
  const browser = started.use(await TestBrowser.launch());
  return { cluster, simulator: cluster.simulator as DiscordSimulator, browser, page: await browser.page() };
}

after(() => started.disposeAsync());
