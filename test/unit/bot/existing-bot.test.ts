import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineConfig, readExistingBot } from '../../../src/bot/existing-bot.ts';
import { createRouteTable, guildOfRequest, isAnyPods } from '../../../src/routing/route-table.ts';

test('an empty configuration has defaults, and all paths are of pod 0', () => {
  const { bot, ...rest } = readExistingBot({});
  assert.deepEqual(rest, {
    ...{ name: 'bot', command: null, env: {}, web: null, databases: [], delivery: 'at-most-once' },
    readyTimeoutMs: 120_000,
  });
  assert.deepEqual(bot.routes, [{ path: '/*', guild: { from: 'none' }, stream: true }]);
});

test('routes of the bot come first, and those of any pod are its also for writing', () => {
  const web = {
    port: 3000,
    routes: [
      { path: '/servers/:guildId/*', guild: { from: 'path' } },
      { path: '/public/*', guild: { from: 'any' } },
    ],
  } as const;
  const { bot } = readExistingBot(defineConfig({ command: ['node', 'index.js'], web }));
  const table = createRouteTable(bot.routes ?? []);
  const none = { query: '', header: () => undefined, json: () => null };
  const guildIn = (path: string) => {
    const match = table.match(path);
    return match === null ? null : guildOfRequest(match, none);
  };
  assert.deepEqual(guildIn('/servers/102860784329052160/a'), { kind: 'guild', guildId: '102860784329052160' });
  assert.deepEqual(guildIn('/public/a'), { kind: 'none' });
  assert.equal(isAnyPods(table.match('/public/a'), 'POST'), true);
  assert.equal(isAnyPods(table.match('/login'), 'GET'), false);
});

test('a wrong setting is named, with its value and what is allowed', () => {
  const cases: [unknown, RegExp][] = [
    [null, /the configuration is null; it must be an object/],
    [{ comand: ['node'] }, /comand.*left out: the configuration has name, command/],
    [{ command: 'node index.js' }, /command is "node index.js"; it must be a list of texts/],
    [{ env: { A: 1 } }, /env is .*text/],
    [{ web: {} }, /web\.port/],
    [{ web: { port: 80, portVariable: 'A-B' } }, /web\.portVariable is "A-B"/],
    [{ databases: [{ tables: [] }] }, /databases\[0\]\.path/],
    [{ databases: [{ path: 'a.db', tables: ['no name'] }] }, /"no name" is not the name of a table/],
    [{ delivery: 'twice' }, /delivery is "twice"; it must be 'at-most-once' or 'at-least-once'/],
    [{ readyTimeoutMs: 5 }, /readyTimeoutMs is 5/],
  ];
  for (const [config, message] of cases) assert.throws(() => readExistingBot(config), { code: 'BOT_INVALID', message });
});
