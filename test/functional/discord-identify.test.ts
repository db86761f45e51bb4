// Identify slots and commands of a bot on several pods: pods ask pod 0 over HTTP, with real gateway services.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { defineBot } from '../../src/bot/define-bot.ts';
import type { Command } from '../../src/bot/types.ts';
import { gatewayConfig, loadConfig } from '../../src/config/load.ts';
import { startGatewayService } from '../../src/gateway/service.ts';
import { signPlainRequest } from '../../src/link/auth.ts';
import { createTopology } from '../../src/routing/topology.ts';
import type { Service } from '../../src/service.ts';
import { findFreePorts } from '../../testkit/cluster/ports.ts';
import { type DiscordSimulator, startDiscordSimulator } from '../../testkit/discord/index.ts';
import { SECRET, startDiscordPod } from '../support/discord-pod.ts';
import { silent, temporaryFolder } from '../support/store.ts';
import { until } from '../support/wait.ts';

const PODS = 3;
const IDENTIFY_PATH = '/_guildway/identify';

interface Place {
  readonly discord: DiscordSimulator;
  readonly basePort: number;
  readonly folder: { file(name: string): string };
}

/** A whole gateway pod. */
async function startPod(
  place: Place,
  ordinal: number,
  env: Record<string, string> = {},
): Promise<Service & AsyncDisposable> {
  const { discord, basePort, folder } = place;
  const config = gatewayConfig(
    loadConfig({
      SERVICE_MODE: 'gateway',
      POD_NAME: `gateway-${ordinal}`,
      NUM_GATEWAY_PODS: String(PODS),
      DATABASE_PATH: folder.file(`${ordinal}.db`),
      LINK_SECRET: SECRET,
      HOST: '127.0.0.1',
      PORT: String(basePort + ordinal),
      GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${basePort}+ordinal}`,
      DISCORD_TOKEN: discord.token,
      DISCORD_APP_ID: discord.applicationId,
      DISCORD_API_URL: discord.apiUrl,
      DISCORD_SHARDS: '1',
      IDENTIFY_INTERVAL_MS: '400',
      // The pods start one after the other.
      TOPOLOGY_CONFIRMED: `md5/${PODS}`,
      ...env,
    }),
  );
  const topology = createTopology({ strategy: 'md5', pods: PODS });
  const bot = defineBot({ name: 'test' });
  const service = await startGatewayService({ config, bot, topology, log: silent, registry: new Registry() });
  return Object.assign(service, { [Symbol.asyncDispose]: () => service.close() });
}

async function startPlace(): Promise<Place & AsyncDisposable> {
  const folder = temporaryFolder();
  const discord = await startDiscordSimulator({ guilds: 3, identifyWindowMs: 400 });
  return {
    discord,
    folder,
    basePort: await findFreePorts(PODS),
    async [Symbol.asyncDispose]() {
      await discord.stop();
      folder[Symbol.dispose]();
    },
  };
}

const url = ({ basePort }: Place, ordinal: number): string => `http://127.0.0.1:${basePort + ordinal}${IDENTIFY_PATH}`;

test('pods get their slots from pod 0 over HTTP, wait while it is away, and go on when it is back', async () => {
  await using place = await startPlace();
  const { discord } = place;
  await using one = await startPod(place, 1);
  await using two = await startPod(place, 2);
  await until('both are connected', () => discord.stats().connections === 2);
  assert.equal(one.readiness().ready || two.readiness().ready, false);
  assert.deepEqual(discord.gateway.identifies(), [], 'without pod 0 nobody counts, so nobody identifies');
  {
    await using zero = await startPod(place, 0);
    await until('all are ready', () => [zero, one, two].every((pod) => pod.readiness().ready));
    await zero.drain();
  }
  // One bucket for three pods: the simulator refuses two identifies that are too close to each other.
  assert.deepEqual(
    discord.gateway.identifies().map(({ outcome }) => outcome),
    ['accepted', 'accepted', 'accepted'],
  );
  const asked = discord.gateway.sessions().map(({ properties }) => properties.device);
  assert.deepEqual(asked.sort(), ['gateway-0', 'gateway-1', 'gateway-2']);
  // A session that can be resumed needs no pod 0.
  discord.gateway.dropSocket();
  await until('both have resumed', () => one.readiness().ready && two.readiness().ready);
  assert.equal(discord.gateway.identifies().length, 3);
});

test('the endpoint: a proof of being a pod, a shard, and pod 0 only', async () => {
  await using place = await startPlace();
  await using _zero = await startPod(place, 0);
  await using _one = await startPod(place, 1);
  const ask = async (ordinal: number, body: string, secret = SECRET): Promise<number> => {
    const headers = { 'guildway-auth': signPlainRequest(secret, ordinal, 'POST', IDENTIFY_PATH) };
    const response = await fetch(url(place, ordinal), { method: 'POST', headers, body });
    await response.arrayBuffer();
    return response.status;
  };
  assert.equal(await ask(0, '{"shard":0}'), 204);
  assert.equal(await ask(0, '{"shard":0}', 'another secret altogether'), 401);
  assert.equal(await ask(1, '{"shard":0}'), 421);
  for (const body of ['', '[]', 'null', '{"shard":-1}', '{"shard":"0"}', '{"shard":0.5}'])
    assert.equal(await ask(0, body), 400, body);
});

test('a caller that stops waiting gets 503 in time and holds nobody up', async () => {
  await using place = await startPlace();
  await using _zero = await startPod(place, 0, { IDENTIFY_INTERVAL_MS: '700' });
  await until('pod 0 has taken a slot', () => place.discord.gateway.identifies().length === 1);
  const ask = async (deadlineMs: number): Promise<number> => {
    const headers = {
      'guildway-auth': signPlainRequest(SECRET, 0, 'POST', IDENTIFY_PATH),
      'guildway-deadline-ms': String(deadlineMs),
    };
    const response = await fetch(url(place, 0), { method: 'POST', headers, body: '{"shard":0}' });
    return response.status;
  };
  const statuses = await Promise.all([ask(50), ask(60), ask(5_000)]);
  assert.deepEqual(statuses, [503, 503, 204]);
});

test('commands are registered by pod 0, and only when they differ', async () => {
  await using discord = await startDiscordSimulator({ guilds: 1, identifyWindowMs: 0 });
  const warn: Command = {
    name: 'warn',
    description: 'Warns somebody',
    default_member_permissions: '8',
    ephemeral: true,
    options: [{ type: 3, name: 'reason', description: 'Why', autocomplete: true, required: true }],
    run: () => ({ type: 4, data: { content: 'warned' } }),
    autocomplete: () => [],
  };
  const look: Command = { type: 2, name: 'Look at', run: () => ({ type: 4, data: { content: 'looked' } }) };
  const writes = () => discord.rest.counts()['PUT /applications/:application/commands'] ?? 0;
  const register = async (commands: Command[], ordinal = 0): Promise<void> => {
    const topology = createTopology({ strategy: 'md5', pods: 2 });
    await using pod = await startDiscordPod(discord, { bot: { commands }, ordinal, topology });
    const isDone = () => pod.lines.some(({ text }) => text === 'commands registered');
    // Pod 1 goes no further than its connection: it would have asked for the commands before.
    await until('it is done', () => (ordinal === 0 ? isDone() : discord.stats().connections === 1));
  };
  await register([warn, look], 1);
  assert.deepEqual(Object.keys(discord.rest.counts()), ['GET /gateway/bot']);
  await register([warn, look]);
  assert.equal(writes(), 1);
  const [registered] = discord.commands.list(null) as unknown as Record<string, unknown>[];
  assert.equal(registered?.name, 'warn');
  for (const key of ['run', 'autocomplete', 'ephemeral']) assert.equal(registered?.[key], undefined);
  await register([look, warn]);
  assert.equal(writes(), 1, 'nothing has changed');
  await register([{ ...warn, description: 'Warns a member' } as Command, look]);
  assert.equal(writes(), 2);
  await register([look]);
  assert.equal(writes(), 3);
  assert.equal(discord.commands.list(null).length, 1);
  await register([]);
  assert.equal(discord.commands.list(null).length, 0);
});
