import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewayConfig, httpConfig, loadConfig } from '../../../src/config/load.ts';
import { VARIABLES } from '../../../src/config/variables.ts';
import { configWarnings, editDistance } from '../../../src/config/warnings.ts';
import type { GuildwayError } from '../../../src/errors.ts';

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

test('a NUM_GATEWAY_PODS other than an integer of 1 or more is rejected with its name, its value and the allowed values', () => {
  for (const value of ['0', '-1', '1.5', '3 ', ' 3', '', 'three', '1e1', '0x3', '03', 'NaN', 'Infinity', '99999999']) {
    const text = message({ ...http, NUM_GATEWAY_PODS: value });
    assert.ok(text.startsWith(`NUM_GATEWAY_PODS: ${JSON.stringify(value)} is not allowed`), text);
    assert.match(text, /; it must be an integer from 1 to 10000$/);
  }
  assert.equal(loadConfig({ ...http, NUM_GATEWAY_PODS: '64' }).numGatewayPods, 64);
});

test('every variable rejects invalid values by name, and never prints a secret', () => {
  for (const variable of Object.values(VARIABLES)) {
    const nonsense = '\u0000';
    let text = '';
    try {
      loadConfig({ ...http, [variable.name]: nonsense });
    } catch (error) {
      text = (error as Error).message;
    }
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
  assert.equal(loadConfig(http).ordinal, null);
});

test('related variables are checked together', () => {
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

test('a monolith is a single pod, whatever NUM_GATEWAY_PODS says', () => {
  const config = loadConfig({ NUM_GATEWAY_PODS: '3' });
  assert.equal(config.numGatewayPods, 1);
  assert.equal(config.ordinal, 0);
});

/** A valid value for each variable without a default. */
const VALID: Readonly<Record<string, string>> = {
  ...{ LINK_SECRET: 'x'.repeat(32), DISCORD_TOKEN: 'MTA.secret.part', STRIPE_WEBHOOK_SECRET: 'whsec_0123456789' },
  ...{ DISCORD_PUBLIC_KEY: 'ab'.repeat(32), DISCORD_APP_ID: '1234567890', POD_NAME: 'gateway-1', POD_ORDINAL: '1' },
  ...{ HOST: '127.0.0.1', BOT: './bot.ts', DISCORD_SHARDS: '8', ADMIN_HOSTS: 'admin.internal' },
  ...{ TOPOLOGY_CONFIRMED: 'md5/3', DISCORD_COMMANDS_GUILD: '1234567890' },
  ...{ BOT_COMMAND: '["node","index.js"]', BOT_WEB_PORT: '8000' },
};

test('no variable accepts surrounding white space or control characters, and the error does not print a secret', () => {
  for (const { name, fallback, secret } of Object.values(VARIABLES) as {
    name: string;
    fallback: string | null;
    secret?: true;
  }[]) {
    const value = fallback ?? VALID[name];
    assert.ok(value !== undefined, `no valid value of ${name} is known to this test`);
    loadConfig({ ...gateway, [name]: value });
    for (const [raw, why] of [
      [`${value}\n`, 'it ends with a line break'],
      [`${value}\r\n`, 'it ends with a line break'],
      [`${value} `, 'it begins or ends with white space'],
      [`\t${value}`, 'it begins or ends with white space'],
      [`${value}\u00a0`, 'it begins or ends with white space'],
      [`${value}\u0000x`, 'it has a control character'],
    ] as const) {
      const text = message({ ...gateway, [name]: raw });
      assert.ok(text.startsWith(`${name}: `) && text.includes(`is not allowed (${why}`), text);
      if (secret) assert.doesNotMatch(text, new RegExp(value));
    }
  }
  // Also in the middle, where a token was pasted together with other text.
  assert.match(message({ ...gateway, DISCORD_TOKEN: 'Bot abc' }), /^DISCORD_TOKEN: its value is not allowed/);
});

test('an interaction is answered before Discord stops waiting at 3 s, whatever the budget', () => {
  assert.equal(loadConfig({ ...http, INTERACTION_BUDGET_MS: '2900' }).interactionBudgetMs, 2_900);
  for (const value of ['2901', '3000', '10000']) {
    assert.match(message({ ...http, INTERACTION_BUDGET_MS: value }), /^INTERACTION_BUDGET_MS: .*from 100 to 2900/);
  }
});

test('a service gets only the settings that it reads', () => {
  const env = { ...VALID, SERVICE_MODE: 'gateway' };
  const whole = loadConfig(env);
  const [forHttp, forGateway] = [httpConfig(whole), gatewayConfig(whole)];
  assert.ok(Object.isFrozen(forHttp) && Object.isFrozen(forGateway));
  assert.equal('discordToken' in forHttp, false);
  assert.equal('databasePath' in forHttp, false);
  assert.equal('stripeWebhookSecret' in forGateway, false);
  assert.equal('discordPublicKey' in forGateway, false);
  assert.deepEqual([forGateway.ordinal, forGateway.name, forHttp.name], [1, 'gateway-1', 'gateway-1']);
  assert.throws(() => gatewayConfig(loadConfig(http)), TypeError);
});

test("a probable typo in a variable's name is reported with the likely variable", () => {
  const warnings = (env: Record<string, string>, serviceMode: 'http' | 'gateway' | 'monolith' = 'monolith') =>
    configWarnings({ DISCORD_TOKEN: 'x', DISCORD_PUBLIC_KEY: 'x', ...env }, { serviceMode }).map(
      ({ message }) => message,
    );
  for (const [mistyped, meant] of [
    ['DISCORD_TOKN', 'DISCORD_TOKEN'],
    ['DISCORD_TOEKN', 'DISCORD_TOKEN'],
    ['DISCORD_PUBLICKEY', 'DISCORD_PUBLIC_KEY'],
    ['discord_token', 'DISCORD_TOKEN'],
    ['STRIPE_WEBHOOK_SECERT', 'STRIPE_WEBHOOK_SECRET'],
    ['LINKSECRET', 'LINK_SECRET'],
    ['NUM_GATEWAY_POD', 'NUM_GATEWAY_PODS'],
    ['POD_ORDINALS', 'POD_ORDINAL'],
  ] as const) {
    assert.deepEqual(warnings({ [mistyped]: 'x' }), [`${mistyped} is not read: did you mean ${meant}?`]);
  }
  assert.deepEqual(warnings({ GUILDWAY_THREADS: '4' }), ['GUILDWAY_THREADS is not read']);
  // Variables of the machine, the cluster and the bot.
  const others = {
    ...{ PATH: '/bin', HOME: '/', NODE_ENV: 'test', NODE_NAME: 'a', HOSTNAME: 'b', TZ: 'UTC', SERVICE_NAME: 'c' },
    ...{ GATEWAY_INTERNAL_SERVICE_HOST: 'd', HTTP_SERVICE_PORT_3000_TCP: 'e', DATABASE_URL: 'f', MODBOT_PAGES: 'open' },
    ...{ DISCORD_CLIENT_SECRET: 'g', STRIPE_API_KEY: 'h', GUILDWAY_TEST_FAULT: 'i', UV_THREADPOOL_SIZE: '4' },
  };
  assert.deepEqual(warnings(others), []);
});

test('a missing variable is reported where its absence matters', () => {
  const missing = (env: Record<string, string>, serviceMode: 'http' | 'gateway' | 'monolith') =>
    configWarnings(env, { serviceMode }).map(({ variable, message }) => {
      assert.ok(message.startsWith(`${variable} is not `), message);
      return variable;
    });
  assert.deepEqual(missing({}, 'monolith'), ['DISCORD_TOKEN', 'DISCORD_PUBLIC_KEY']);
  assert.deepEqual(missing({}, 'http'), ['LINK_SECRET', 'DISCORD_PUBLIC_KEY']);
  assert.deepEqual(missing({}, 'gateway'), ['DISCORD_TOKEN']);
  assert.deepEqual(missing(VALID, 'monolith'), []);
  // Another name is a mistake only while the right one is missing.
  assert.deepEqual(missing({ DISCORD_BOT_TOKEN: 'x' }, 'gateway'), ['DISCORD_TOKEN', 'DISCORD_BOT_TOKEN']);
  assert.deepEqual(missing({ DISCORD_BOT_TOKEN: 'x', DISCORD_TOKEN: 'y' }, 'gateway'), []);
});

test('the distance of two names counts swapped neighbours as one mistake', () => {
  for (const [from, to, distance] of [
    ['', '', 0],
    ['', 'ab', 2],
    ['ab', '', 2],
    ['TOKEN', 'TOKEN', 0],
    ['TOKN', 'TOKEN', 1],
    ['TOEKN', 'TOKEN', 1],
    ['TOKEN', 'TAKEN', 1],
    ['kitten', 'sitting', 3],
  ] as const) {
    assert.equal(editDistance(from, to), distance, `${from} ${to}`);
  }
});
