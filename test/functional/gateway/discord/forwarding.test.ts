// Under discord-shard, Discord sends some events of a guild to shard 0, which is another pod's: two pods, and Discord's simulator.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { defineBot } from '../../../../src/bot/index.ts';
import { gatewayConfig, loadConfig } from '../../../../src/config/load.ts';
import { startGatewayService } from '../../../../src/gateway/service.ts';
import { signPlainRequest } from '../../../../src/link/auth.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { findFreePorts } from '../../../../testkit/cluster/ports.ts';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { NOTES, silent, temporaryFolder } from '../../../support/store.ts';
import { until } from '../../../support/wait.ts';

const SECRET = 'a secret of the test cluster';
const topology = createTopology({ strategy: 'discord-shard', pods: 2, shards: 2 });

const bot = defineBot({
  name: 'test',
  tables: ['notes'],
  migrations: [NOTES],
  events: {
    ENTITLEMENT_CREATE: ({ id }, context) =>
      context.transaction((db) => {
        db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', context.guildId ?? '', id);
      }),
  },
  fetch: (_request, { db, pod }) => {
    const rows = db.all<{ text: string }>('SELECT text FROM notes ORDER BY rowid');
    return Response.json({ pod, notes: rows.map(({ text }) => text) });
  },
});

async function startPod(ordinal: number, port: number, path: string, discord: DiscordSimulator) {
  const config = gatewayConfig(
    loadConfig({
      ...{ SERVICE_MODE: 'gateway', POD_NAME: `gateway-${ordinal}`, NUM_GATEWAY_PODS: '2' },
      ...{ ROUTING: 'discord-shard', DISCORD_SHARDS: '2', TOPOLOGY_CONFIRMED: topology.fingerprint },
      ...{ DATABASE_PATH: path, LINK_SECRET: SECRET, PORT: String(port), HOST: '127.0.0.1' },
      GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${port - ordinal}+ordinal}`,
      ...{ DISCORD_TOKEN: discord.token, DISCORD_APP_ID: discord.applicationId, DISCORD_API_URL: discord.apiUrl },
      IDENTIFY_INTERVAL_MS: '1',
    }),
  );
  const service = await startGatewayService({ config, bot, topology, log: silent, registry: new Registry() });
  const get = async (target: string): Promise<Record<string, unknown>> => {
    const auth = signPlainRequest(SECRET, ordinal, 'GET', target);
    const response = await fetch(`http://127.0.0.1:${port}${target}`, { headers: { 'guildway-auth': auth } });
    return (await response.json()) as Record<string, unknown>;
  };
  return {
    get,
    isReady: () => service.readiness().ready,
    notes: async (guildId: string) => (await get(`/app/${guildId}`)).notes,
    kept: async () => ((await get('/_guildway/state')).hints as { count: number }).count,
    stop: async () => {
      await service.drain();
      await service.close();
    },
    [Symbol.asyncDispose]: () => service.close(),
  };
}

test("an event on shard 0 of another pod's guild is handled once by its owner, even if the owner is away", async () => {
  using folder = temporaryFolder();
  await using discord = await startDiscordSimulator({ guilds: 12, identifyWindowMs: 0 });
  const guildId = discord.guilds.ids.find((id) => topology.ownerOf(id) === 1) ?? '';
  const port = await findFreePorts(2);
  await using receiver = await startPod(0, port, folder.file('pod-0'), discord);
  const owner = await startPod(1, port + 1, folder.file('pod-1'), discord);
  await until('both are ready', () => receiver.isReady() && owner.isReady());

  // The simulator sees no guild, so it sends the event to shard 0.
  const entitlement = (id: string): void => {
    assert.equal(discord.events.dispatch('ENTITLEMENT_CREATE', { id, guild_id: guildId }, null), 1);
  };
  entitlement('1');
  await until('the owner has handled it', async () => ((await owner.notes(guildId)) as unknown[]).length === 1);
  await until('nothing is kept', async () => (await receiver.kept()) === 0);

  await owner.stop();
  entitlement('2');
  entitlement('3');
  await until('they are kept', async () => (await receiver.kept()) === 2);
  await using again = await startPod(1, port + 1, folder.file('pod-1'), discord);
  await until('they are delivered', async () => (await receiver.kept()) === 0);
  assert.deepEqual(await again.notes(guildId), ['1', '2', '3'], 'each once, in their order, at the owner');
  const own = discord.guilds.ids.find((id) => topology.ownerOf(id) === 0) ?? '';
  assert.deepEqual(await receiver.notes(own), [], 'and not where they arrived');
});
