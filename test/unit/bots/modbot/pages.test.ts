import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import modbot from '../../../../bots/modbot/index.ts';
import {
  CHANNEL,
  createHarness,
  fetchPage,
  GUILD,
  type Harness,
  MEMBER,
  messageOf,
  snowflake,
  useCommand,
} from './harness.ts';

const OTHER_GUILD = '81384788765712384';

beforeEach(() => {
  process.env.MODBOT_PAGES = 'open';
});
afterEach(() => {
  delete process.env.MODBOT_PAGES;
});

const json = async (response: Response) => (await response.json()) as Record<string, unknown>;
const warn = (harness: Harness, reason: string, user = MEMBER) =>
  useCommand(harness.context(), 'warn', [
    { name: 'user', value: user },
    { name: 'reason', value: reason },
  ]);
const message = (unixMs: number, fields: object = {}) =>
  ({
    id: snowflake(),
    guild_id: GUILD,
    channel_id: CHANNEL,
    author: { id: MEMBER },
    timestamp: new Date(unixMs).toISOString(),
    ...fields,
  }) as never;
const named = (name: string) => ({ id: GUILD, name, channels: [{ id: CHANNEL, name: 'general' }] }) as never;

test('messages are counted per channel and hour, each event once, without those of bots', async () => {
  await using harness = await createHarness();
  const now = Date.now();
  const handle = modbot.events?.MESSAGE_CREATE;
  await handle?.(message(now), harness.context({ identity: 'event:s:1' }));
  await handle?.(message(now), harness.context({ identity: 'event:s:1' }));
  await handle?.(message(now), harness.context({ identity: 'event:s:2' }));
  await handle?.(message(now, { author: { id: '1', bot: true } }), harness.context());
  await handle?.(message(now - 3_600_000), harness.context());
  await modbot.events?.GUILD_CREATE?.(named('The Den'), harness.context());

  const body = await json(await fetchPage(harness.context(), `/api/guilds/${GUILD}/activity?hours=2`));
  assert.equal(body.total, 3);
  assert.deepEqual(
    (body.hours as { messages: number }[]).map(({ messages }) => messages),
    [1, 2],
  );
  assert.deepEqual(body.channels, [{ channelId: CHANNEL, name: 'general', messages: 3 }]);
});

test('hours older than 30 days are deleted', async () => {
  await using harness = await createHarness();
  const handle = modbot.events?.MESSAGE_CREATE;
  await handle?.(message(Date.now() - 31 * 86_400_000), harness.context());
  await handle?.(message(Date.now()), harness.context());
  assert.equal(harness.db.all('SELECT * FROM activity').length, 1);
});

test('the API pages through the log, filters it and names the pod', async () => {
  await using harness = await createHarness();
  for (let i = 1; i <= 5; i++) await warn(harness, `reason ${i}`);
  await warn(harness, 'other', '81384788765712385');
  const get = async (query: string) =>
    json(await fetchPage(harness.context({ pod: 2 }), `/api/guilds/${GUILD}/modlog${query}`));
  const page = await get('?per_page=2&page=2');
  assert.deepEqual([page.pod, page.page, page.pages, page.total], [2, 2, 3, 6]);
  assert.deepEqual(
    (page.cases as { number: number }[]).map(({ number }) => number),
    [4, 3],
  );
  assert.equal((await get(`?user=${MEMBER}`)).total, 5);
  assert.equal((await get('?kind=note')).total, 0);
  assert.equal((await get('?page=99')).page, 1);
  for (const query of ['?kind=nope', '?page=0', '?per_page=101', '?page=1e3']) {
    assert.ok('error' in (await get(query)), query);
  }
});

test('a note by API is written once per Idempotency-Key, and bad input is refused', async () => {
  await using harness = await createHarness();
  const post = (body: unknown, identity?: string) =>
    fetchPage(harness.context(identity === undefined ? {} : { identity }), `/api/guilds/${GUILD}/notes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const note = { userId: MEMBER, text: 'by the API' };
  const first = await post(note, 'key:1');
  assert.equal(first.status, 201);
  assert.deepEqual(await json(first), { pod: 1, number: 1 });
  assert.deepEqual(await json(await post(note, 'key:1')), { pod: 1, number: 1 });
  for (const bad of [null, {}, { userId: 5, text: 'x' }, { userId: MEMBER, text: '' }, { userId: '0', text: 'x' }]) {
    assert.equal((await post(bad)).status, 400, JSON.stringify(bad));
  }
  assert.equal(harness.db.all('SELECT * FROM cases').length, 1);
});

test('with open pages, a page of another site cannot write notes', async () => {
  await using harness = await createHarness();
  const post = async (headers: Record<string, string>) => {
    const init = { method: 'POST', headers, body: JSON.stringify({ userId: MEMBER, text: 'x' }) };
    return (await fetchPage(harness.context(), `/api/guilds/${GUILD}/notes`, init)).status;
  };
  const type = { 'content-type': 'application/json' };
  assert.equal(await post({ 'content-type': 'text/plain' }), 415, 'what a form can send without being asked first');
  assert.equal(await post({ ...type, origin: 'https://evil.example' }), 403);
  assert.equal(await post({ ...type, origin: 'null' }), 403, 'a sandboxed page');
  assert.equal(await post({ ...type, 'sec-fetch-site': 'same-site' }), 403);
  assert.equal(harness.db.all('SELECT * FROM cases').length, 0);
  assert.equal(await post({ ...type, 'sec-fetch-site': 'same-origin' }), 201);
  assert.equal(await post(type), 201, 'a client that is no browser');
});

test('unknown paths and methods are refused', async () => {
  await using harness = await createHarness();
  const status = async (path: string, init?: RequestInit) => (await fetchPage(harness.context(), path, init)).status;
  assert.equal(await status(`/api/guilds/${GUILD}/nothing`), 404);
  assert.equal(await status(`/api/guilds/${GUILD}/modlog`, { method: 'DELETE' }), 405);
  assert.equal(await status(`/api/guilds/${GUILD}/notes`), 405);
  assert.equal(await status(`/app/${GUILD}`, { method: 'POST' }), 405);
  assert.equal(await status(`/app/${GUILD}/more`), 404);
});

test('the guild page escapes all user content', async () => {
  await using harness = await createHarness();
  await modbot.events?.GUILD_CREATE?.(named('<script>alert(1)</script>'), harness.context());
  await warn(harness, `"><img src=x onerror='alert(1)'>`);
  const response = await fetchPage(harness.context(), `/app/${GUILD}?user=${encodeURIComponent('"><b>')}`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'/);
  const page = await response.text();
  assert.doesNotMatch(page, /<script|<img|<b>/);
  assert.match(page, /&quot;&gt;&lt;img src=x onerror=&#39;alert\(1\)&#39;&gt;/);
});

test('the guild page filters, pages, and shows an empty state', async () => {
  await using harness = await createHarness();
  const page = async (query = '') => (await fetchPage(harness.context(), `/app/${GUILD}${query}`)).text();
  assert.match(await page(), /Nothing here yet.*No messages were counted/s);
  for (let i = 1; i <= 21; i++) await warn(harness, `reason ${i}.`);
  const first = await page();
  assert.match(first, /Page 1 of 2 · 21 cases/);
  assert.match(first, /reason 21\..*reason 2\./s);
  assert.match(await page('?page=2'), /reason 1\./);
  assert.match(await page('?kind=note'), /No match/);
});

test('without MODBOT_PAGES=open a page needs the link that /settings page gives', async () => {
  process.env.MODBOT_PAGES = 'key';
  process.env.MODBOT_URL = 'https://bot.test';
  await using harness = await createHarness();
  const page = (path: string, headers: Record<string, string> = {}) => fetchPage(harness.context(), path, { headers });
  assert.equal((await page(`/app/${GUILD}`)).status, 401);
  assert.equal((await page(`/api/guilds/${GUILD}/modlog`)).status, 401);

  const link = async (options: { name: string; value: unknown }[] = []) => {
    const answer = await useCommand(harness.context(), 'settings', [{ name: 'page', options }]);
    assert.equal(messageOf(answer).flags, 64);
    return new URL(/https:\S+/.exec(messageOf(answer).content ?? '')?.[0] ?? '');
  };
  const url = await link();
  assert.equal((await link()).href, url.href);
  const key = url.searchParams.get('key') ?? '';
  const entered = await page(url.pathname + url.search);
  assert.equal(entered.status, 303);
  assert.equal(entered.headers.get('location'), `/app/${GUILD}`);
  const cookie = entered.headers.get('set-cookie') ?? '';
  assert.match(cookie, /HttpOnly; SameSite=Lax$/);
  assert.equal((await page(`/app/${GUILD}`, { cookie: cookie.split(';')[0] ?? '' })).status, 200);
  assert.equal((await page(`/api/guilds/${GUILD}`, { authorization: `Bearer ${key}` })).status, 200);
  assert.equal((await page(`/api/guilds/${GUILD}`, { authorization: `Bearer ${key}x` })).status, 401);
  const elsewhere = harness.context({ guildId: OTHER_GUILD });
  assert.equal((await fetchPage(elsewhere, `/app/${OTHER_GUILD}?key=${key}`)).status, 401);

  await link([{ name: 'renew', value: true }]);
  assert.equal((await page(`/api/guilds/${GUILD}`, { authorization: `Bearer ${key}` })).status, 401);
  delete process.env.MODBOT_URL;
});

test('the list of servers is shown only if pages are open', async () => {
  await using harness = await createHarness();
  await modbot.events?.GUILD_CREATE?.(named('The Den'), harness.context());
  await warn(harness, 'a');
  const overview = async () => json(await fetchPage(harness.context({ guildId: null }), '/api/overview'));
  assert.deepEqual(await overview(), {
    pod: 1,
    guilds: 1,
    cases: 1,
    list: [{ id: GUILD, name: 'The Den', cases: 1, messages: 0 }],
  });
  process.env.MODBOT_PAGES = 'key';
  assert.deepEqual(await overview(), { pod: 1, guilds: 1, cases: 1, list: null });
  const index = await fetchPage(harness.context({ guildId: null }), '/app');
  assert.equal(index.status, 200);
  assert.match(index.headers.get('content-security-policy') ?? '', /script-src 'sha256-/);
});
