/** compose.yaml and the staging run have the same environment and limits as the manifests. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';
import {
  readLitestream,
  readStagingManifests,
  stagingRouting,
  withRouting,
} from '../../../scripts/staging/manifests.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { gatewayUrl } from '../../../src/public-routing.ts';

interface ComposeService {
  readonly environment: Readonly<Record<string, string | number>>;
  readonly mem_limit: string;
  readonly stop_grace_period: string;
  readonly profiles?: readonly string[];
}

const { http, gateway, discord, gatewayPods } = readStagingManifests();

const FROM_THE_USER: Readonly<Record<string, string>> = {
  DISCORD_APP_ID: '1080278231547908097',
  DISCORD_PUBLIC_KEY: 'a'.repeat(64),
  DISCORD_TOKEN: 'a-token',
  LINK_SECRET: 'x'.repeat(64),
};

/** As Compose fills in `${NAME:?…}` and `${NAME:-default}`. */
function fillIn(environment: ComposeService['environment']): Record<string, string> {
  const entries = Object.entries(environment).map(([name, value]): [string, string] => {
    const [, variable, fallback] = /^\$\{([A-Z_]+)(?::\?.*|:-(.*))?\}$/.exec(String(value)) ?? [];
    return [name, variable === undefined ? String(value) : (FROM_THE_USER[variable] ?? fallback ?? '')];
  });
  return Object.fromEntries(entries);
}

test('compose.yaml: every service is configured as the service accepts it, and finds its gateway pods', () => {
  const file = readFileSync(new URL('../../../compose.yaml', import.meta.url), 'utf8');
  const { services } = parse(file, { merge: true }) as { services: Record<string, ComposeService> };
  const configs = Object.entries(services).map(([name, service]) => {
    const env = fillIn(service.environment);
    return { name, service, env, config: loadConfig(env) };
  });
  const modes = Object.fromEntries(configs.map(({ name, config }) => [name, config.serviceMode]));
  assert.deepEqual(modes, {
    bot: 'monolith',
    http: 'http',
    'gateway-0': 'gateway',
    'gateway-1': 'gateway',
    'gateway-2': 'gateway',
    // For a larger number.
    'gateway-3': 'gateway',
    'gateway-4': 'gateway',
  });
  for (const { name, service, env, config } of configs) {
    const spec = config.serviceMode === 'http' ? http : gateway;
    assert.equal(service.mem_limit, spec.memory.replace('Mi', 'm'), name);
    assert.equal(env.NODE_OPTIONS, spec.env.NODE_OPTIONS, name);
    assert.ok(Number.parseInt(service.stop_grace_period, 10) * 1_000 > config.drainTimeoutMs, name);
    if (config.serviceMode === 'http') assert.equal(env.DISCORD_TOKEN, undefined);
    if (config.serviceMode === 'monolith') continue;
    for (let ordinal = 0; ordinal < config.numGatewayPods; ordinal++) {
      const { hostname } = new URL(gatewayUrl(config.gatewayUrlTemplate, ordinal));
      assert.equal(configs.find((one) => one.name === hostname)?.config.ordinal, ordinal, name);
    }
  }
});

test('compose.yaml: one variable changes the number of gateway pods in every service', () => {
  const file = readFileSync(new URL('../../../compose.yaml', import.meta.url), 'utf8');
  const { services } = parse(file, { merge: true }) as { services: Record<string, ComposeService> };
  for (const [name, { environment }] of Object.entries(services)) {
    if (name === 'bot') continue;
    assert.match(String(environment.NUM_GATEWAY_PODS), /^\$\{NUM_GATEWAY_PODS:-3\}$/, name);
    assert.match(String(environment.TOPOLOGY_EPOCH), /^\$\{TOPOLOGY_EPOCH:-1\}$/, name);
  }
});

test('the staging run reads the manifests: environment, limits, grace periods, volumes', () => {
  assert.equal(gatewayPods, 3);
  assert.equal(loadConfig({ ...http.env, POD_NAME: 'http-0' }).serviceMode, 'http');
  assert.equal(loadConfig({ ...gateway.env, POD_NAME: 'gateway-2' }).ordinal, 2);
  assert.equal(http.env.DISCORD_TOKEN, undefined);
  assert.deepEqual([http.preStopSeconds, http.graceSeconds, http.dataPath], [5, 30, null]);
  assert.deepEqual([gateway.preStopSeconds, gateway.graceSeconds, gateway.dataPath], [0, 30, '/data']);
  assert.deepEqual(gateway.temporary, { '/tmp': '256Mi' });
  assert.deepEqual(discord.args, ['scripts/staging/driver.ts']);
  assert.equal(readLitestream().restoreArgs[0], 'restore');
  assert.equal(readLitestream().replicateArgs[0], 'replicate');
});

test('npm run staging -- --routing discord-shard: every pod of either platform computes the same owners', () => {
  const routing = stagingRouting('discord-shard');
  const pods = readStagingManifests(routing);
  for (const { env } of [pods.http, pods.gateway]) {
    const { routing: strategy, discordShards, numGatewayPods } = loadConfig({ ...env, POD_NAME: 'gateway-0' });
    assert.deepEqual([strategy, discordShards, numGatewayPods], ['discord-shard', 6, 3]);
  }
  assert.equal(routing.topology.fingerprint, 'discord-shard/6/3');
  const rendered = 'data:\n  NUM_GATEWAY_PODS: "3"\n  ROUTING: md5\n  TOPOLOGY_EPOCH: "1"\n';
  assert.deepEqual(parse(withRouting(rendered, routing)).data, {
    ...{ NUM_GATEWAY_PODS: '3', ROUTING: 'discord-shard', DISCORD_SHARDS: '6', TOPOLOGY_EPOCH: '1' },
  });
  assert.equal(stagingRouting('md5').topology.fingerprint, 'md5/3');
});
