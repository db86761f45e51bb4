import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import {
  call,
  type Endpoint,
  type Json,
  RawGatewayClient,
  reply,
  startEndpoint,
  until,
} from '../../../support/simulator.ts';

describe("the console's API", () => {
  let simulator: DiscordSimulator;
  let endpoint: Endpoint;
  const form = {
    custom_id: 'form',
    title: 'Reason',
    components: [{ type: 1, components: [{ type: 4, custom_id: 'text', label: 'Reason', style: 1 }] }],
  };
  const row = { type: 1, components: [{ type: 2, style: 1, label: 'More', custom_id: 'more' }] };
  const answers: Record<number, (payload: Json) => unknown> = {
    2: ({ data }) =>
      data.name === 'defer' ? { type: 5 } : { type: 4, data: { content: 'seen', flags: 64, components: [row] } },
    3: () => ({ type: 9, data: form }),
    4: () => ({ type: 8, data: { choices: [{ name: 'Spam', value: 'spam' }] } }),
    5: ({ data }) => ({ type: 4, data: { content: data.components[0].components[0].value } }),
  };

  before(async () => {
    simulator = await startDiscordSimulator({ guilds: 4 });
    endpoint = await startEndpoint(
      () => simulator.publicKey,
      (payload, response) =>
        reply(response, answers[payload.type]?.(payload), { 'guildway-pod': '1', 'guildway-http-pod': 'http-0' }),
    );
    simulator.interactionsUrl = endpoint.url;
    await call(simulator, 'PUT', `/applications/${simulator.applicationId}/commands`, [
      { name: 'warn', description: 'x', default_member_permissions: String(1 << 1) },
      { name: 'defer', description: 'x' },
    ]);
  });
  after(async () => {
    await simulator.stop();
    await endpoint[Symbol.asyncDispose]();
  });

  const get = async (path: string): Promise<Json> => (await fetch(`${simulator.url}/console/api${path}`)).json();
  const post = async (path: string, body: unknown): Promise<Json> => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${simulator.url}/console/api${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    return { status: response.status, ...((await response.json()) as object) };
  };

  test('lists guilds, the people in them, and the commands they may use', async () => {
    const info = await get('/info');
    assert.deepEqual([info.guilds, info.publicKey, info.interactionsUrl], [4, simulator.publicKey, endpoint.url]);
    const { total, guilds } = await get('/guilds?limit=2&offset=1');
    assert.deepEqual([total, guilds.map(({ id }: Json) => id)], [4, simulator.guilds.ids.slice(1, 3)]);
    const { id, name } = simulator.guilds.at(2);
    assert.deepEqual((await get(`/guilds?query=${encodeURIComponent(name)}`)).guilds[0].name, name);
    const view = await get(`/guilds/${id}`);
    assert.deepEqual(
      new Set(view.users.map(({ role }: Json) => role)),
      new Set(['owner', 'admin', 'moderator', 'member']),
    );
    assert.ok(view.channels.length > 1);
    const permitted = async (role: string) => {
      const user = view.users.find((one: Json) => one.role === role);
      return Object.fromEntries(
        (await get(`/guilds/${id}/commands?user=${user.id}`)).map((one: Json) => [one.name, one.permitted]),
      );
    };
    assert.deepEqual(await permitted('member'), { warn: false, defer: true });
    assert.deepEqual(await permitted('moderator'), { warn: true, defer: true });
    assert.equal((await get(`/guilds/1`)).error, 'no guild 1');
  });

  test('uses commands, buttons, modals and suggestions as a user, and shows which pod answered', async () => {
    const { id: guildId, channels, ownerId, memberIds } = simulator.guilds.at(0);
    const place = { guildId, channelId: channels[0]?.id, userId: ownerId };
    const used = await post('/commands', { ...place, name: 'warn', options: { user: memberIds[0] } });
    assert.deepEqual([used.status, used.pod, used.httpPod, used.message.content], [200, '1', 'http-0', 'seen']);
    assert.ok(used.elapsedMs > 0);
    const pressed = await post('/components', { ...place, messageId: used.messageId, customId: 'more' });
    assert.equal(pressed.modal.custom_id, 'form');
    const sent = await post('/modals', { ...place, customId: 'form', fields: { text: 'typed' } });
    assert.equal(sent.message.content, 'typed');
    const typed = await post('/autocomplete', { ...place, name: 'warn', options: { reason: 's' }, focused: 'reason' });
    assert.deepEqual(typed.choices, [{ name: 'Spam', value: 'spam' }]);
    const texts = async (user: string) =>
      (await get(`/channels/${place.channelId}/messages?user=${user}`)).map(({ content }: Json) => content);
    assert.deepEqual(await texts(ownerId), ['seen', 'typed']);
    assert.deepEqual(await texts(memberIds[0] as string), ['typed'], 'an ephemeral message is for its user only');
    const refused = await post('/commands', { ...place, userId: memberIds[0], name: 'warn' });
    assert.deepEqual([refused.status, refused.error], [403, 'this user may not use warn']);
    assert.equal((await post('/commands', { ...place, name: 'nothing' })).status, 404);
    assert.equal((await post('/components', { ...place, messageId: used.messageId, customId: 'other' })).status, 400);
    assert.equal((await get('/interactions'))[0].name, 'warn');
  });

  test('streams events', async () => {
    const abort = new AbortController();
    const response = await fetch(`${simulator.url}/console/api/events`, { signal: abort.signal });
    let text = '';
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) text += decoder.decode(chunk);
    })().catch(() => {});
    const events = () => [...text.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1] as string));
    const heard = (type: string) => until(type, () => events().find((event: Json) => event.type === type));
    const { id: guildId, channels, ownerId } = simulator.guilds.at(1);
    const channelId = channels[1]?.id;
    await post('/messages', { guildId, channelId, userId: ownerId, content: 'hello' });
    const message = await heard('message');
    assert.deepEqual(
      [message.guildId, message.message.content, message.message.channel_id],
      [guildId, 'hello', channelId],
    );
    const deferred = await post('/commands', { guildId, channelId, userId: ownerId, name: 'defer' });
    assert.deepEqual([deferred.outcome, deferred.responseType], ['deferred', 5]);
    assert.equal((await heard('interaction')).interaction.id, deferred.id);
    const { token } = endpoint.received.at(-1);
    await call(
      simulator,
      'PATCH',
      `/webhooks/${simulator.applicationId}/${token}/messages/@original`,
      { content: 'done' },
      null,
    );
    assert.equal((await heard('message_update')).message.content, 'done');
    const completed = await heard('completed');
    assert.deepEqual([completed.id, completed.messageId], [deferred.id, deferred.messageId]);
    abort.abort();
    await reading;
    assert.equal(text.includes(token), false, 'no token reaches the page');
  });

  test('serves its own page and tools, not pages of other sites', async () => {
    const ask = (headers: Record<string, string>): Promise<number> =>
      new Promise((resolve, reject) => {
        const all = { 'content-type': 'application/json', ...headers };
        const { port } = simulator;
        request(
          { port, host: '127.0.0.1', method: 'POST', path: '/console/api/misbehave', headers: all },
          (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          },
        )
          .on('error', reject)
          .end('{"slowMs":0}');
      });
    assert.equal(await ask({ host: `localhost:${simulator.port}`, origin: `http://localhost:${simulator.port}` }), 200);
    assert.equal(await ask({ origin: 'https://evil.example' }), 403);
    assert.equal(await ask({ 'sec-fetch-site': 'cross-site' }), 403);
    const rebound = `evil.example:${simulator.port}`;
    assert.equal(await ask({ host: rebound, origin: `http://${rebound}` }), 403, 'DNS rebinding');
  });

  test('injects faults', async () => {
    const client = new RawGatewayClient(simulator);
    await client.identify(simulator);
    const [session] = await get('/sessions');
    assert.deepEqual([session.shard, session.numShards, session.connected], [0, 1, true]);
    assert.deepEqual(await post('/gateway', { action: 'reconnect', shard: 0 }), { status: 200, affected: 1 });
    await client.payload(7);
    assert.equal((await post('/gateway', { action: 'close', code: 4000, sessionId: session.sessionId })).affected, 1);
    assert.equal(await client.closed(), 4000);
    assert.equal((await post('/gateway', { action: 'explode' })).status, 400);
    const state = await post('/misbehave', { slowMs: 5, rateLimit: { route: 'GET /users/@me', retryAfterMs: 10 } });
    assert.deepEqual([state.slowMs, state.pending.length], [5, 1]);
    assert.equal((await call(simulator, 'GET', '/users/@me')).status, 429);
    assert.deepEqual((await post('/misbehave', { reset: true })).slowMs, 0);
    assert.equal((await post('/probe', {})).status, 401);
    assert.ok((await get('/stats')).interactionsSent > 0);
    const other = await fetch(`${simulator.url}/console/api/misbehave`, { method: 'POST', body: '{"slowMs":9}' });
    assert.equal(other.status, 415, 'a form of another site changes nothing');
  });

  test('serves nothing outside its folder', async () => {
    for (const path of ['/..%2fcli.ts', '/../cli.ts', '/%2e%2e/cli.ts', '/nothing.js', '/index.html/../../cli.ts']) {
      assert.equal((await fetch(simulator.url + path)).status, 404, path);
    }
  });
});

describe('the command line', { concurrency: true }, () => {
  const start = (args: string[], env: Record<string, string> = {}) =>
    spawn(process.execPath, ['testkit/discord/cli.ts', ...args], { env: { ...process.env, ...env } });
  const textOf = async (stream: NodeJS.ReadableStream) => {
    let text = '';
    for await (const chunk of stream) text += chunk;
    return text;
  };

  test('prints the environment, and stores its identity in its state file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'simulator-'));
    const state = join(directory, 'deep', 'simulator.json');
    const run = async (...args: string[]) => {
      const child = start(['--port', '0', ...args], { SIMULATOR_STATE: state });
      let text = '';
      child.stdout.on('data', (chunk) => {
        text += chunk;
      });
      await until('the environment', () => text.includes('DISCORD_TOKEN='));
      child.kill('SIGTERM');
      assert.deepEqual(await once(child, 'exit'), [0, null]);
      return text.replace(/^.*(?:console|API_URL).*\n/gm, '');
    };
    try {
      const first = await run('--seed', '7', '--guilds', '3');
      assert.match(
        first,
        /^export DISCORD_APP_ID=\d+\nexport DISCORD_PUBLIC_KEY=[0-9a-f]{64}\nexport DISCORD_TOKEN=\S+\n$/,
      );
      assert.equal(await run(), first);
      assert.equal((await stat(state)).mode & 0o777, 0o600);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test('names a wrong flag and a port in use', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1 });
    const mistakes: [string[], number, RegExp][] = [
      [['--guilds', 'many'], 2, /--guilds must be an integer of up to nine digits, not "many"/],
      [['--bot-permissions', 'all'], 2, /--bot-permissions must be an integer of up to twenty digits, not "all"/],
      [['--interactions-url', 'localhost:80'], 2, /--interactions-url must be an http/],
      [['--nonsense'], 2, /nonsense/],
      [['--port', String(simulator.port)], 1, /in use/],
    ];
    const outcomes = mistakes.map(async ([args, code, message]) => {
      const child = start(args);
      const [text, [exitCode]] = await Promise.all([textOf(child.stderr), once(child, 'exit')]);
      assert.match(text, message);
      assert.equal(exitCode, code);
    });
    await Promise.all(outcomes);
    const help = start(['--help']);
    assert.match(await textOf(help.stdout), /--interactions-url/);
  });
});
