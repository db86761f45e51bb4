import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { REST } from '@discordjs/rest';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { call, type Json, RawGatewayClient } from '../../../support/simulator.ts';

describe("the simulator's REST API", () => {
  let simulator: DiscordSimulator;
  before(async () => {
    simulator = await startDiscordSimulator({ guilds: 3, globalRequestsPerSecond: 1000 });
  });
  after(() => simulator.stop());

  const status = async (method: string, path: string, body?: unknown) => {
    const answer = await call(simulator, method, path, body);
    return [answer.status, answer.json?.code];
  };

  test('requires the token, and identifies the bot', async () => {
    const { json } = await call(simulator, 'GET', '/users/@me');
    assert.deepEqual([json.id, json.bot], [simulator.applicationId, true]);
    const application = await call(simulator, 'GET', '/applications/@me');
    assert.deepEqual(
      [application.json.id, application.json.verify_key],
      [simulator.applicationId, simulator.publicKey],
    );
    const refused = await call(simulator, 'GET', '/users/@me', undefined, 'wrong');
    assert.deepEqual([refused.status, refused.json], [401, { message: '401: Unauthorized', code: 0 }]);
    assert.equal(simulator.violations.count('unauthorized'), 1);
    assert.deepEqual(await status('GET', '/nowhere'), [404, 0]);
    assert.equal((await fetch(`${simulator.apiUrl}/v6/users/@me`)).status, 400);
  });

  test('takes what discord.py and Eris send: ids as numbers, flags as 1, a token with a prefix, no status', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1 });
    const { id, ownerId } = simulator.guilds.at(0);
    const body = `{"name":"numbers","permission_overwrites":[{"id":${ownerId},"type":1,"allow":"0","deny":"0"}]}`;
    const headers = { authorization: `Bot ${simulator.token}`, 'content-type': 'application/json' };
    const response = await fetch(`${simulator.apiUrl}/v10/guilds/${id}/channels`, { method: 'POST', headers, body });
    const channel = (await response.json()) as Json;
    assert.deepEqual([response.status, channel.permission_overwrites[0].id], [201, ownerId]);
    assert.ok((await call(simulator, 'GET', `/guilds/${id}?with_counts=1`)).json.approximate_member_count > 1);
    const client = new RawGatewayClient(simulator);
    const presence = { status: null, game: { name: 'x', type: 0 }, since: 0, afk: false };
    await client.identify(simulator, { presence, token: `Bot ${simulator.token}` });
    assert.deepEqual(simulator.world.presences.get(simulator.applicationId), {
      status: 'online',
      activities: [presence.game],
    });
    client.close();
  });

  test('returns the gateway under the host that the caller used', async () => {
    const { json } = await call(simulator, 'GET', '/gateway/bot');
    assert.equal(json.url, `${simulator.url.replace('http', 'ws')}/gateway`);
    assert.deepEqual(json.session_start_limit, {
      total: 1000,
      remaining: 1000,
      reset_after: 86_400_000,
      max_concurrency: 16,
    });
  });

  test('stores commands: in bulk, one by one, and per guild', async () => {
    const global = `/applications/${simulator.applicationId}/commands`;
    const own = `/applications/${simulator.applicationId}/guilds/${simulator.guilds.at(0).id}/commands`;
    const ping = { name: 'ping', description: 'Pings' };
    const first = await call(simulator, 'PUT', global, [ping, { name: 'Report', type: 3 }]);
    assert.equal(first.status, 200);
    const again = await call(simulator, 'PUT', global, [ping]);
    assert.equal(again.json[0].id, first.json[0].id, 'what keeps its name keeps its id');
    assert.notEqual(again.json[0].version, first.json[0].version);
    const created = await call(simulator, 'POST', own, ping);
    assert.equal(created.status, 201);
    assert.equal((await call(simulator, 'POST', own, ping)).status, 200);
    const path = `${own}/${created.json.id}`;
    const patched = await call(simulator, 'PATCH', path, { default_member_permissions: '8' });
    assert.equal(patched.json.default_member_permissions, '8');
    assert.equal((await call(simulator, 'GET', path)).json.guild_id, simulator.guilds.at(0).id);
    assert.deepEqual(
      simulator.commands.available(simulator.guilds.at(0).id).map(({ id }) => id),
      [created.json.id],
      'the guild’s own command wins',
    );
    assert.equal((await call(simulator, 'DELETE', path)).status, 204);
    assert.deepEqual(await status('GET', path), [404, 10063]);
    assert.deepEqual(await status('GET', '/applications/1/commands'), [403, 50001]);
  });

  test('names the invalid field of a form', async () => {
    const path = `/applications/${simulator.applicationId}/commands`;
    const option = { name: 'Upper', description: '', type: 12 };
    const { status: code, json } = await call(simulator, 'PUT', path, [
      { name: 'ok', description: 'x', options: [option] },
    ]);
    assert.equal(code, 400);
    assert.equal(json.code, 50035);
    const wrong = json.errors[0].options[0];
    assert.deepEqual(Object.keys(wrong).sort(), ['description', 'name', 'type']);
    assert.equal(wrong.name._errors[0].code, 'APPLICATION_COMMAND_INVALID_NAME');
    const many = Array.from({ length: 101 }, (_, index) => ({ name: `c${index}`, description: 'x' }));
    assert.deepEqual(await status('PUT', path, many), [400, 30032]);
    const response = await fetch(`${simulator.apiUrl}/v10${path}`, {
      method: 'PUT',
      headers: { authorization: `Bot ${simulator.token}`, 'content-type': 'application/json' },
      body: '{',
    });
    assert.deepEqual([response.status, ((await response.json()) as Json).code], [400, 50109]);
  });

  test('stores messages, newest first', async () => {
    const path = `/channels/${simulator.guilds.at(0).channels[0]?.id}/messages`;
    const ids: string[] = [];
    for (const content of ['one', 'two', 'three']) ids.push((await call(simulator, 'POST', path, { content })).json.id);
    const texts = async (query: string) =>
      (await call(simulator, 'GET', `${path}?${query}`)).json.map(({ content }: Json) => content);
    assert.deepEqual(await texts('limit=2'), ['three', 'two']);
    assert.deepEqual(await texts(`before=${ids[1]}`), ['one']);
    assert.deepEqual(await texts(`after=${ids[0]}&limit=1`), ['two']);
    const edited = await call(simulator, 'PATCH', `${path}/${ids[0]}`, { embeds: [{ title: 'T' }] });
    assert.deepEqual([edited.json.content, edited.json.embeds], ['one', [{ type: 'rich', title: 'T' }]]);
    const gone: string[] = [];
    const unwatch = simulator.watch((event) => {
      if (event.type === 'message_delete') gone.push(event.messageId);
    });
    assert.equal((await call(simulator, 'POST', `${path}/bulk-delete`, { messages: ids.slice(0, 2) })).status, 204);
    unwatch();
    assert.deepEqual(gone, ids.slice(0, 2));
    assert.deepEqual(await texts('limit=9'), ['three']);
    assert.deepEqual(await status('GET', `${path}/${ids[0]}`), [404, 10008]);
    const { messageId } = simulator.events.messageCreate({
      guildId: simulator.guilds.at(0).id,
      content: 'not the bot’s',
    });
    assert.deepEqual(await status('PATCH', `${path}/${messageId}`, { content: 'x' }), [403, 50005]);
    assert.deepEqual(await status('POST', '/channels/1/messages', { content: 'x' }), [404, 10003]);
  });

  test('refuses messages that Discord refuses', async () => {
    const path = `/channels/${simulator.guilds.at(1).channels[0]?.id}/messages`;
    const row = (...components: object[]) => ({ content: 'x', components: [{ type: 1, components }] });
    const button = { type: 2, style: 1, label: 'x', custom_id: 'a' };
    assert.deepEqual(await status('POST', path, {}), [400, 50006]);
    assert.deepEqual(await status('POST', path, { content: 'x'.repeat(2001) }), [400, 50035]);
    assert.deepEqual(await status('POST', path, { embeds: Array.from({ length: 11 }, () => ({})) }), [400, 50035]);
    assert.deepEqual(await status('POST', path, row(button, button)), [400, 50035]);
    assert.deepEqual(await status('POST', path, row({ ...button, custom_id: 'x'.repeat(101) })), [400, 50035]);
  });

  test('shows guilds, members and direct channels', async () => {
    const guild = simulator.guilds.at(2);
    const shown = await call(simulator, 'GET', `/guilds/${guild.id}`);
    assert.deepEqual([shown.json.name, shown.json.owner_id], [guild.name, guild.ownerId]);
    const members = await call(simulator, 'GET', `/guilds/${guild.id}/members?limit=1000`);
    assert.equal(members.json.length, guild.members.size);
    assert.deepEqual(await status('GET', '/guilds/123456789'), [404, 10004]);
    assert.deepEqual(await status('GET', `/guilds/${guild.id}/members/1`), [404, 10007]);
    const direct = await call(simulator, 'POST', '/users/@me/channels', { recipient_id: guild.ownerId });
    assert.equal(direct.json.type, 1);
    assert.equal(
      (await call(simulator, 'POST', `/channels/${direct.json.id}/messages`, { content: 'hello' })).status,
      200,
    );
  });

  test('counts requests by route, and shows no token', async () => {
    assert.ok(simulator.rest.count('GET /guilds/:guild') >= 2);
    await call(simulator, 'PATCH', `/webhooks/${simulator.applicationId}/secret-token/messages/@original`, {}, null);
    const last = simulator.rest.calls().at(-1);
    assert.deepEqual(
      [last?.route, last?.path, last?.status],
      [
        'PATCH /webhooks/:webhook/:token/messages/:message',
        `/webhooks/${simulator.applicationId}/…/messages/@original`,
        404,
      ],
    );
  });
});

describe('limits and misbehaviour', () => {
  test('more than 50 requests a second get 429; interaction routes do not count', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1 });
    const answers = await Promise.all(Array.from({ length: 60 }, () => call(simulator, 'GET', '/users/@me')));
    const limited = answers.filter(({ status }) => status === 429);
    assert.equal(limited.length, 10);
    const { headers, json } = limited[0] as Json;
    assert.equal(headers.get('x-ratelimit-global'), 'true');
    assert.equal(headers.get('x-ratelimit-scope'), 'global');
    assert.deepEqual([json.global, json.message], [true, 'You are being rate limited.']);
    assert.equal(Number(headers.get('retry-after')), json.retry_after);
    assert.ok(json.retry_after > 0 && json.retry_after <= 1);
    assert.equal(simulator.violations.count('global_rate_limit'), 10);
    const exempt = await call(simulator, 'POST', '/interactions/1/token/callback', { type: 5 }, null);
    assert.equal(exempt.status, 404);
  });

  test('a channel accepts five messages in five seconds, and says so in its headers', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1 });
    const path = `/channels/${simulator.guilds.at(0).channels[0]?.id}/messages`;
    const answers = [];
    for (let i = 0; i < 6; i++) answers.push(await call(simulator, 'POST', path, { content: 'x' }));
    assert.deepEqual(
      answers.map(({ status, headers }) => [status, headers.get('x-ratelimit-remaining')]),
      [
        [200, '4'],
        [200, '3'],
        [200, '2'],
        [200, '1'],
        [200, '0'],
        [429, '0'],
      ],
    );
    assert.equal(answers[5]?.headers.get('x-ratelimit-scope'), 'user');
  });

  test('@discordjs/rest waits for an injected 429, and repeats an injected 502', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1 });
    const rest = new REST({ api: simulator.apiUrl, offset: 0 }).setToken(simulator.token);
    simulator.misbehave.rateLimit429Once('GET /users/@me', { retryAfterMs: 60 });
    const startedAt = performance.now();
    assert.equal(((await rest.get('/users/@me')) as Json).id, simulator.applicationId);
    assert.ok(performance.now() - startedAt >= 55);
    simulator.misbehave.fail('*', 502);
    assert.equal(((await rest.get('/users/@me')) as Json).id, simulator.applicationId);
    assert.deepEqual(simulator.rest.statuses(), { 200: 2, 429: 1, 502: 1 });
    simulator.misbehave.slowMs = 40;
    const slowAt = performance.now();
    await rest.get('/users/@me');
    assert.ok(performance.now() - slowAt >= 38);
    simulator.misbehave.fail('GET /users/@me', 500, 3);
    simulator.misbehave.reset();
    assert.deepEqual([simulator.misbehave.pending(), simulator.misbehave.slowMs], [[], 0]);
  });

  test('the interactions URL can be set over REST, if it passes Discord’s checks', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1 });
    const url = `${simulator.url}/not-an-endpoint`;
    const { status, json } = await call(simulator, 'PATCH', '/applications/@me', { interactions_endpoint_url: url });
    assert.deepEqual([status, json.code], [400, 50035]);
    assert.equal(simulator.interactionsUrl, null);
  });
});
