import assert from 'node:assert/strict';
import { afterEach, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { getGatewayPodForGuild } from '../../src/public-routing.ts';
import type { Cluster } from '../../testkit/cluster/index.ts';
import type { DiscordSimulator, SimulatedGuild } from '../../testkit/discord/index.ts';
import { assertFits, skip, type TestBrowser, until } from './browser.ts';
import { ConsoleActor } from './console-actor.ts';
import { FIRST_OF_GUILD_PAGE, GATEWAY_PODS, openSite } from './site.ts';

describe('the guild page', { skip }, () => {
  let cluster: Cluster;
  let simulator: DiscordSimulator;
  let browser: TestBrowser;
  let page: Page;

  before(async () => {
    ({ cluster, simulator, browser, page } = await openSite());
  });
  const guildAt = (nth: number): SimulatedGuild => simulator.guilds.at(FIRST_OF_GUILD_PAGE + nth);
  afterEach(async () => {
    await browser.renew(page);
    browser.assertNoProblems();
  });

  test('shows the latest console action, served by the owner of the guild', async () => {
    const actor = new ConsoleActor(page);
    const guild = guildAt(0);
    const member = simulator.world.user(guild.memberIds[0] as string);
    await actor.open(simulator.url);
    await actor.openGuild(guild.name);
    await actor.say('hello');
    await actor.say('hello again');
    await actor.command('/warn', { user: member.global_name as string, reason: 'too <loud>' });
    await actor.lastMessage.getByText('has been warned').waitFor();

    const opened = page.context().waitForEvent('page');
    await page.getByRole('link', { name: 'Guild page' }).click();
    const guildPage = await opened;
    await guildPage.getByRole('heading', { level: 1, name: guild.name }).waitFor();
    await guildPage.getByText(`answered by gateway-${getGatewayPodForGuild(guild.id, GATEWAY_PODS)}`).waitFor();
    const row = guildPage.getByRole('table').getByRole('row').filter({ hasText: 'too <loud>' });
    await row.getByText('Warning').waitFor();
    await row.getByRole('link', { name: member.id }).click();
    await guildPage.getByRole('link', { name: 'Everyone' }).waitFor();

    // Events arrive through the gateway: the page shows them once they are counted.
    await until(async () => {
      await guildPage.reload();
      return (await guildPage.getByRole('img', { name: /^Messages per hour/ }).count()) === 1;
    });
    await guildPage.getByText('#general').waitFor();
  });

  test('pages and filters without JavaScript, on a phone, in the dark', async () => {
    const guild = guildAt(1);
    for (let i = 1; i <= 25; i++) {
      const response = await fetch(`${cluster.url}/api/guilds/${guild.id}/notes`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': `note-${i}` },
        body: JSON.stringify({ userId: guild.memberIds[i % 2], text: `note ${i}.` }),
      });
      assert.equal(response.status, 201);
      assert.equal(response.headers.get('guildway-pod'), String(getGatewayPodForGuild(guild.id, GATEWAY_PODS)));
    }
    const plain = await browser.page({
      javaScriptEnabled: false,
      colorScheme: 'dark',
      viewport: { width: 360, height: 740 },
    });
    await plain.goto(`${cluster.url}/app/${guild.id}`);
    await plain.getByText('Page 1 of 2 · 25 cases').waitFor();
    await plain.getByRole('link', { name: 'Older' }).click();
    await plain.getByText('note 1.').waitFor();
    await plain.getByRole('textbox', { name: 'Member' }).fill(guild.memberIds[1] as string);
    await plain.getByRole('button', { name: 'Show' }).click();
    await plain.getByText('Page 1 of 1 · 13 cases').waitFor();
    await plain.getByRole('link', { name: 'Warnings' }).click();
    await plain.getByText('No match').waitFor();
  });

  test('nothing is wider than a phone', async () => {
    const guild = guildAt(1);
    await page.setViewportSize({ width: 360, height: 740 });
    for (const path of [`/app/${guild.id}`, '/app', `/app/${guildAt(2).id}`]) {
      await page.goto(cluster.url + path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await assertFits(page);
    }
  });

  test('the list of servers names each server’s pod, and the pods that did not answer', async () => {
    await page.goto(cluster.url);
    const guild = guildAt(0);
    const row = page.getByRole('row').filter({ hasText: guild.name });
    await row.getByText(`gateway-${getGatewayPodForGuild(guild.id, GATEWAY_PODS)}`).waitFor();
    assert.equal(await page.getByRole('row').count(), 1 + simulator.guilds.size);

    await cluster.gatewayPods[1]?.kill('SIGKILL');
    await page.reload();
    await page.getByText('No response from: gateway-1').waitFor();
    await cluster.gatewayPods[1]?.start();
    await page.reload();
    await page.getByRole('row').nth(simulator.guilds.size).waitFor();
  });

  test('if pages are not open, they require the link from /settings page', async () => {
    const guild = guildAt(3);
    const owner = cluster.gatewayPods[getGatewayPodForGuild(guild.id, GATEWAY_PODS)];
    assert.ok(owner);
    owner.env.MODBOT_PAGES = 'key';
    await owner.restart();
    const refused = await page.goto(`${cluster.url}/app/${guild.id}`);
    assert.equal(refused?.status(), 401);
    browser.expectProblem(/status of 401/);
    await page.getByText('This page needs its link').first().waitFor();

    const console = await browser.page();
    const actor = new ConsoleActor(console);
    await actor.open(simulator.url);
    await actor.openGuild(guild.name);
    await actor.actAs(simulator.world.user(guild.ownerId).global_name as string);
    await actor.command('/settings page');
    const link = actor.lastMessage.getByRole('link', { name: /\/app\// });
    await page.goto((await link.getAttribute('href')) as string);
    await page.getByRole('heading', { level: 1, name: guild.name }).waitFor();
    assert.equal(page.url(), `${cluster.url}/app/${guild.id}`);
    owner.env.MODBOT_PAGES = 'open';
  });
});
