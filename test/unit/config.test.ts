import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig, VARIABLES } from '../../src/config.ts';
import type { GuildwayError } from '../../src/errors.ts';

const http = { SERVICE_MODE: 'http', POD_NAME: 'http-x' };
const gateway = { SERVICE_MODE: 'gateway', POD_NAME: 'gateway-1', LINK_SECRET: 'x'.repeat(32) };

function message(env: Record<string, string>): string {
  try {
    loadConfig(env);
  } catch (error) {
    assert.equal((error as GuildwayError).code, 'CONFIG_INVALID');
    return (error as GuildwayError).message;
  }
  return assert.fail(`accepted ${JSON.stringify(env)}`);
}

test('the defaults are the published ones', () => {
  const config = loadConfig({});
  assert.equal(config.serviceMode, 'monolith');
  assert.equal(config.port, 3000);
  assert.equal(config.adminPort, 9090);
  assert.equal(config.routing, 'md5');
  // Discord refuses two identifies of one bucket that arrive within 5 s.
  assert.ok(config.identifyIntervalMs > 5_000);
  assert.equal(config.gatewayUrlTemplate, 'http://gateway-{ordinal}.gateway-internal:3000');
  assert.equal(config.databasePath, '/data/guildway.sqlite3');
  assert.equal(loadConfig(http).numGatewayPods, 3);
  assert.ok(Object.isFrozen(config));
});

test('NUM_GATEWAY_PODS: anything but an integer of 1 or more stops with the name, the value and what is allowed', () => {
  for (const value of ['0', '-1', '1.5', '3 ', ' 3', '', 'three', '1e1', '0x3', '03', 'NaN', 'Infinity', '99999999']) {
    const text = message({ ...http, NUM_GATEWAY_PODS: value });
    assert.ok(
      text.startsWith(`NUM_GATEWAY_PODS: ${JSON.stringify(value)} is not allowed; it must be an integer`),
      text,
    );
  }
  assert.equal(loadConfig({ ...http, NUM_GATEWAY_PODS: '64' }).numGatewayPods, 64);
});

test('every variable rejects nonsense, naming itself, and never prints a secret', () => {
  for (const variable of Object.values(VARIABLES)) {
    const nonsense = '\u0000';
    let text = '';
    try {
      loadConfig({ ...http, [variable.name]: nonsense });
    } catch (error) {
      text = (error as Error).message;
    }
    // Free text takes anything; the rest must not.
    if (['a name', 'a path', 'an address', 'a path or a package name', 'a bot token'].includes(variable.allowed))
      continue;
    assert.ok(text.startsWith(`${variable.name}: `), `${variable.name}: ${text}`);
  }
  assert.doesNotMatch(message({ ...http, LINK_SECRET: 'hunter2' }), /hunter2/);
  assert.match(message({ ...http, LINK_SECRET: 'hunter2' }), /16 characters or more/);
});

test('a gateway pod reads its ordinal from POD_ORDINAL or from the end of POD_NAME', () => {
  assert.equal(loadConfig(gateway).ordinal, 1);
  assert.equal(loadConfig({ ...gateway, POD_NAME: 'my-bot-gateway-12', NUM_GATEWAY_PODS: '13' }).ordinal, 12);
  assert.equal(loadConfig({ ...gateway, POD_NAME: 'whatever', POD_ORDINAL: '2' }).ordinal, 2);
  assert.match(message({ ...gateway, POD_NAME: 'gateway' }), /does not end in a pod's number/);
  assert.match(message({ ...gateway, POD_NAME: 'gateway-01' }), /does not end in a pod's number/);
  assert.match(message({ ...gateway, POD_NAME: 'gateway-3' }), /this is pod 3, but NUM_GATEWAY_PODS is 3/);
  assert.equal(loadConfig(http).ordinal, null);
});

test('what must agree is checked together', () => {
  assert.match(message({ ...http, ROUTING: 'discord-shard' }), /DISCORD_SHARDS: not set/);
  assert.match(
    message({ ...http, ROUTING: 'discord-shard', DISCORD_SHARDS: '2' }),
    /must be NUM_GATEWAY_PODS \(3\) or more/,
  );
  assert.match(
    message({ SERVICE_MODE: 'gateway', POD_NAME: 'gateway-0' }),
    /LINK_SECRET: not set.*openssl rand -hex 32/,
  );
  assert.match(
    message({ ...http, STAND_IN_RESERVE_MS: '2000', INTERACTION_BUDGET_MS: '1000' }),
    /less than INTERACTION_BUDGET_MS/,
  );
  assert.match(message({ ...http, GATEWAY_URL_TEMPLATE: 'http://gateway:3000' }), /no \{ordinal\}/);
});

test('a monolith is one pod, whatever NUM_GATEWAY_PODS says', () => {
  const config = loadConfig({ NUM_GATEWAY_PODS: '3' });
  assert.equal(config.numGatewayPods, 1);
  assert.equal(config.ordinal, 0);
});
