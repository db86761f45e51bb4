import assert from 'node:assert/strict';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { getGatewayPodForGuild } from '../../src/public-routing.ts';
import type { Cluster } from '../../testkit/cluster/index.ts';
import type { DiscordSimulator, SimulatedGuild } from '../../testkit/discord/index.ts';
import { assertFits, skip, type TestBrowser, until } from './browser.ts';
import { badgeOf, ConsoleActor } from './console-actor.ts';
import { GATEWAY_PODS, openSite } from './site.ts';

describe('the console', { skip }, () => {
  let cluster: Cluster;
  let simulator: DiscordSimulator;
  let browser: TestBrowser;
  let page: Page;
  let actor: ConsoleActor;
  let guildNumber = 0;
  /** Each test uses a separate guild. */
  let guild: SimulatedGuild;

  const nameOf = (userId: string | undefined): string => simulator.world.user(userId as string).global_name as string;
  const member = () => nameOf(guild.memberIds[0]);

  before(async () => {
    ({ cluster, simulator, browser, page } = await openSite());
    actor = new ConsoleActor(page);
  });
  beforeEach(async () => {
    guild = simulator.guilds.at(guildNumber++);
    await page.emulateMedia({ colorScheme: guildNumber % 2 === 0 ? 'dark' : 'light' });
    await actor.open(simulator.url);
    await actor.openGuild(guild.name);
  });
  afterEach(async () => {
    await browser.renew(page);
    browser.assertNoProblems();
  });

  test('the owner of the guild answers a slash command, and the badge shows it', async () => {
    await actor.command('/warn', { user: member(), reason: 'spam in general' });
    await actor.lastMessage.getByText(`@${member()} has been warned: spam in general`).waitFor();
    const badge = await badgeOf(actor.lastMessage);
    assert.equal(badge.pod, `gateway-${getGatewayPodForGuild(guild.id, GATEWAY_PODS)}`);
    assert.match(badge.httpPod, /^http-0$/);
    assert.match(badge.time, /^[\d.]+ m?s$/);
    assert.equal(badge.outcome, 'answered');
    const route = page.getByRole('region', { name: 'Last response' });
    await route.getByText(badge.pod).waitFor();
    await route.getByText(badge.httpPod).waitFor();
  });

  test('earlier reasons are suggested while typing', async () => {
    await actor.command('/warn', { user: member(), reason: 'posting the same link everywhere' });
    await actor.lastMessage.getByText('has been warned').waitFor();
    await actor.command('/warn', { user: nameOf(guild.memberIds[1]), reason: 'shouting' });
    await actor.lastMessage.getByText('has been warned: shouting').waitFor();
    await actor.messageField.fill('/warn');
    await page.getByRole('option', { name: /^\/warn/, selected: true }).waitFor();
    await actor.messageField.press('Enter');
    await page.getByLabel('user', { exact: true }).selectOption({ label: member() });
    const reason = page.getByLabel('reason', { exact: true });
    const shouting = page.getByRole('option', { name: 'shouting' });
    await reason.focus();
    await shouting.waitFor();
    await reason.fill('same l');
    // Until then the response to the previous input is shown, and the next one replaces it.
    await shouting.waitFor({ state: 'detached' });
    await page.getByRole('option', { name: 'posting the same link everywhere' }).waitFor();
    await reason.press('ArrowDown');
    await reason.press('Enter');
    assert.equal(await reason.inputValue(), 'posting the same link everywhere');
    await reason.press('Enter');
    await actor.lastMessage.getByText('warning 2').waitFor();
  });

  test('only one user sees the moderation log, and its buttons turn the pages', async () => {
    for (let i = 1; i <= 6; i++) {
      await actor.command('/note', { user: member(), text: `note number ${i}` });
      await actor.lastMessage.getByText(`note number ${i}`).waitFor();
    }
    await actor.command('/modlog');
    const log = actor.lastMessage;
    await log.getByText('Page 1 of 2 · 6 cases').waitFor();
    await log.getByText('Only you can see this').waitFor();
    assert.ok(await log.getByRole('button', { name: 'Previous page' }).isDisabled());
    await log.getByRole('button', { name: 'Next page' }).press('Enter');
    await log.getByText('Page 2 of 2 · 6 cases').waitFor();
    await log.getByText('note number 1').waitFor();
    // The focus stays in the replaced message: go back without the mouse.
    await page.keyboard.press('Enter');
    await log.getByText('Page 1 of 2').waitFor();

    await actor.actAs(member());
    await page.getByText('No messages yet').waitFor();
  });

  test('a message is reported through its menu and a form', async () => {
    const owner = nameOf(guild.ownerId);
    await actor.actAs(owner);
    await actor.command('/settings set', { 'report-channel': '#mod-log' });
    await actor.lastMessage.getByText('posted in').waitFor();
    await actor.actAs(nameOf(guild.memberIds[1]));
    await actor.say('buy cheap game keys');
    await actor.actAs(member());
    const message = actor.messages.filter({ hasText: 'buy cheap game keys' });
    await message.click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Report' }).press('Enter');
    const form = page.getByRole('dialog', { name: 'Report this message' });
    await form.getByLabel('What is wrong with it?').fill('stolen keys');
    await form.getByRole('button', { name: 'Submit' }).click();
    await form.waitFor({ state: 'hidden' });
    await actor.lastMessage.getByText('Thank you. The moderators will look at it.').waitFor();

    await page.getByRole('button', { name: 'mod-log' }).click();
    await actor.lastMessage.getByText(`@${member()} reported a message of`).waitFor();
    await actor.lastMessage.getByText('stolen keys').waitFor();
  });

  test('a cancelled form sends nothing', async () => {
    await actor.say('a harmless message');
    const sent = simulator.interactions.sent;
    await actor.lastMessage.getByRole('button', { name: /^Actions/ }).press('Enter');
    await page.getByRole('menuitem', { name: 'Report' }).press('Enter');
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Report opened a form').waitFor();
    assert.equal(simulator.interactions.sent, sent + 1);
  });

  test('after the third warning a timeout is suggested, and a button carries it out', async () => {
    for (const reason of ['one', 'two', 'three']) {
      await actor.command('/warn', { user: member(), reason });
      await actor.lastMessage.getByText(`warned: ${reason}`).waitFor();
    }
    await actor.lastMessage.getByRole('button', { name: 'Time out for 60 min' }).click();
    await actor.lastMessage.getByText('Timed out for 60 min by').waitFor();
    const until = guild.members.get(guild.memberIds[0] as string)?.communication_disabled_until;
    assert.ok(until !== null && until !== undefined && Date.parse(until) > Date.now());
  });

  test('a user cannot choose a forbidden command', async () => {
    await actor.actAs(member());
    await actor.messageField.fill('/warn');
    await page
      .getByRole('option', { name: /This user may not use this command/, disabled: true })
      .first()
      .waitFor();
    await actor.messageField.press('Enter');
    assert.equal(await page.getByLabel('reason', { exact: true }).count(), 0);
  });

  test('while the owner is away the bot is thinking, and it answers when the owner is back', async () => {
    const owner = cluster.gatewayPods[getGatewayPodForGuild(guild.id, GATEWAY_PODS)];
    assert.ok(owner);
    await owner.kill('SIGKILL');
    await actor.command('/note', { user: member(), text: 'written while away' });
    await actor.lastMessage.getByText('thinking …').waitFor();
    assert.equal((await badgeOf(actor.lastMessage)).outcome, 'deferred');
    await owner.start();
    await actor.lastMessage.getByText('written while away').waitFor();
    await actor.lastMessage.getByText('completed late').waitFor();
    assert.equal(await actor.messages.count(), 1);
  });

  test('dropped gateway sessions visibly resume', async () => {
    const sessions = page.getByRole('region', { name: /Gateway sessions/ });
    const resumed = async () => (await sessions.locator('td:nth-child(4)').allTextContents()).map(Number);
    const before = await resumed();
    assert.ok(before.length > 0);
    await page.getByRole('button', { name: 'Drop connections' }).click();
    await page.getByText(/sessions? affected/).waitFor();
    await until(async () => {
      const now = await resumed();
      return now.length === before.length && now.every((times, index) => times > (before[index] as number));
    });
  });

  test('a route that the simulator lacks is shown as soon as a bot requests it', async () => {
    const section = page.getByRole('region', { name: 'Not simulated' });
    await section.waitFor({ state: 'hidden' });
    await fetch(`${simulator.apiUrl}/v10/guilds/${guild.id}/templates`);
    await section.getByText('GET /guilds/:id/templates').waitFor();
  });

  test('a gateway pod is added and removed again, and the guilds are seen at the pods that own them', async () => {
    const region = page.getByRole('region', { name: /Gateway pods/ });
    const add = region.getByRole('button', { name: 'Add a pod' });
    const remove = region.getByRole('button', { name: 'Remove a pod' });
    const settled = region.getByText('Every guild is at its owner.');
    await settled.waitFor();
    await actor.command('/note', { user: member(), text: 'before the change' });
    await actor.lastMessage.getByText('before the change').waitFor();
    await add.focus();
    await page.keyboard.press('Enter');
    await settled.waitFor({ state: 'hidden' });
    await settled.waitFor();
    const counts = async (): Promise<number[]> => {
      const rows = await region.locator('li small').allTextContents();
      return rows.map((row) => Number.parseInt(row, 10));
    };
    const ids = simulator.guilds.ids;
    const expected = (pods: number): number[] =>
      Array.from({ length: pods }, (_, pod) => ids.filter((id) => getGatewayPodForGuild(id, pods) === pod).length);
    await until(async () => JSON.stringify(await counts()) === JSON.stringify(expected(GATEWAY_PODS + 1)));
    assert.equal(await add.getAttribute('aria-disabled'), 'true', 'this cluster can have no more');
    await actor.command('/modlog');
    await actor.lastMessage.getByText('before the change').waitFor();
    assert.equal(
      (await badgeOf(actor.lastMessage)).pod,
      `gateway-${getGatewayPodForGuild(guild.id, GATEWAY_PODS + 1)}`,
    );
    await remove.click();
    await settled.waitFor({ state: 'hidden' });
    await settled.waitFor();
    await until(async () => JSON.stringify(await counts()) === JSON.stringify(expected(GATEWAY_PODS)));
  });

  test('nothing is wider than the screen of a phone', async () => {
    await actor.command('/warn', {
      user: member(),
      reason: 'a reason that is as long as reasons tend to be on a bad day',
    });
    await actor.lastMessage.getByText('has been warned').waitFor();
    await page.setViewportSize({ width: 360, height: 740 });
    await assertFits(page);
    await page.getByRole('button', { name: 'Servers' }).click();
    await page
      .getByRole('button', { name: 'showcase' })
      .or(page.getByRole('button', { name: 'general' }))
      .first()
      .click();
    await page.getByRole('searchbox').waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Pods and sessions' }).click();
    await page.getByRole('region', { name: /Gateway sessions/ }).waitFor();
    await assertFits(page);
  });
});
