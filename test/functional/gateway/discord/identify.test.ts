// Identify slots of a bot on several pods: pods ask pod 0 over HTTP, with real gateway services.
// Of src/gateway/discord/{identifies,identify-client,identify-endpoint}.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { defineBot } from '../../../../src/bot/define-bot.ts';
import { gatewayConfig, loadConfig } from '../../../../src/config/load.ts';
import { startGatewayService } from '../../../../src/gateway/service.ts';
import { signPlainRequest } from '../../../../src/link/auth.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import type { Service } from '../../../../src/service.ts';
import { findFreePorts } from '../../../../testkit/cluster/ports.ts';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { SECRET } from '../../../support/discord-pod.ts';
import { silent, temporaryFolder } from '../../../support/store.ts';
import { until } from '../../../support/wait.ts';

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
      // The pods start one after another.
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
  assert.deepEqual(discord.gateway.identifies(), [], 'without pod 0 no pod counts identifies, so none identifies');
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

test('the endpoint requires the proof of a pod and a shard, and only pod 0 has it', async () => {
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

test('a caller that stops waiting gets 503 in time and delays no other', async () => {
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
