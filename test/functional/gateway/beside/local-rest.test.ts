// The local REST API: everything passes to Discord, except for what the pod answers itself. Of
// src/gateway/beside/{discord-proxy,rest-response,command-routes}.ts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { type BesidePod, startBesidePod } from '../../../support/beside-pod.ts';
import { temporaryFolder } from '../../../support/store.ts';

const stack = new AsyncDisposableStack();
let discord: DiscordSimulator;
/** Pod 0 of 2, and pod 1. */
let zero: BesidePod;
let one: BesidePod;

before(async () => {
  discord = stack.use(await startDiscordSimulator({ guilds: 6, identifyWindowMs: 0 }));
  const folder = stack.use(temporaryFolder());
  zero = stack.use(await startBesidePod(discord, { databasePath: folder.file('zero'), pods: 2 }));
  one = stack.use(await startBesidePod(discord, { databasePath: folder.file('one'), pods: 2, ordinal: 1 }));
});
after(() => stack.disposeAsync());

const call = (pod: BesidePod, method: string, path: string, body?: unknown): Promise<Response> =>
  fetch(`${pod.apiUrl}/v10${path}`, {
    method,
    headers: {
      authorization: `Bot ${discord.token}`,
      ...(body === undefined || body instanceof FormData ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) }),
  });

test('a request passes with its body, and the response with its status and rate limit', async () => {
  const { channels, id } = discord.guilds.at(0);
  const channel = channels[0]?.id ?? '';
  const sent = await call(zero, 'POST', `/channels/${channel}/messages`, { content: 'by the pod' });
  assert.equal(sent.status, 200);
  assert.ok(sent.headers.get('x-ratelimit-bucket'));
  const form = new FormData();
  form.set('payload_json', JSON.stringify({ content: 'with a file' }));
  form.set('files[0]', new Blob([Buffer.alloc(2_000_000, 'x')]), 'large.txt');
  const file = (await (await call(zero, 'POST', `/channels/${channel}/messages`, form)).json()) as {
    attachments: { size: number }[];
  };
  assert.equal(file.attachments[0]?.size, 2_000_000);
  const unknown = await call(zero, 'GET', `/guilds/${id}/members/1`);
  assert.deepEqual([unknown.status, await unknown.json()], [404, { message: 'Unknown Member', code: 10007 }]);
  const guilds = (await (await call(one, 'GET', '/users/@me/guilds')).json()) as unknown[];
  assert.equal(guilds.length, 6, 'lists are not filtered');
});

test('the gateway of the bot is the pod, with one shard', async () => {
  const { url, shards } = (await (await call(zero, 'GET', '/gateway/bot')).json()) as { url: string; shards: number };
  assert.deepEqual([url, shards], [`ws://127.0.0.1:${zero.port}`, 1]);
});

test('pod 0 registers global commands, and the owner those of a guild; the others get what Discord has', async () => {
  const path = `/applications/${discord.applicationId}`;
  const ping = { name: 'ping', description: 'ping', type: 1 };
  const count = (): number => discord.stats().requests['PUT /applications/:application/commands'] ?? 0;
  const earlier = count();
  const [first, second] = await Promise.all(
    [zero, one].map(async (pod) => (await call(pod, 'PUT', `${path}/commands`, [ping])).json()),
  );
  const ids = (list: unknown): string[] => (list as { id: string }[]).map(({ id }) => id);
  assert.deepEqual(ids(second), ids(first));
  assert.equal(count(), earlier + 1);
  const deleted = await call(one, 'DELETE', `${path}/commands/${ids(first)[0]}`);
  assert.equal(deleted.status, 204);
  assert.equal(((await (await call(zero, 'GET', `${path}/commands`)).json()) as unknown[]).length, 1, 'still there');

  const own = [...discord.guilds].find(({ id }) => one.topology.ownerOf(id) === 1)?.id;
  const guilds = `${path}/guilds/${own}/commands`;
  const [byOther, byOwner] = await Promise.all(
    [zero, one].map(async (pod) => (await call(pod, 'POST', guilds, { ...ping, name: 'pong' })).json()),
  );
  assert.equal((byOther as { id: string }).id, (byOwner as { id: string }).id);
});

test('a path beside the API is not Discord', async () => {
  assert.equal((await fetch(`http://127.0.0.1:${zero.port}/oauth2/authorize`)).status, 404);
});
