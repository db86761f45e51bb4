import assert from 'node:assert/strict';
import { test } from 'node:test';
import { botEnvironment } from '../../../../src/gateway/beside/bot-environment.ts';

test("a bot gets its pod, its token and what redirects its library, and none of Guildway's settings and secrets", () => {
  const env = botEnvironment({
    env: {
      ...{ PATH: '/bin', DISCORD_TOKEN: 'token', LINK_SECRET: 'secret', PORT: '3000', DATABASE_PATH: '/data/a' },
      ...{ NODE_OPTIONS: '--max-old-space-size=100', PYTHONPATH: '/own' },
    },
    own: { DATABASE_PATH: '/data/bot' },
    ...{ ordinal: 2, pods: 3, port: 4000 },
  });
  const { NODE_OPTIONS, PYTHONPATH, ...rest } = env;
  assert.deepEqual(rest, {
    ...{ PATH: '/bin', DISCORD_TOKEN: 'token', DATABASE_PATH: '/data/bot' },
    ...{ GUILDWAY_POD: '2', GUILDWAY_PODS: '3' },
    ...{ GUILDWAY_API_URL: 'http://127.0.0.1:4000/api', GUILDWAY_GATEWAY_URL: 'ws://127.0.0.1:4000' },
  });
  assert.match(NODE_OPTIONS ?? '', /^--max-old-space-size=100 --import=file:\/\/.*\/preload\/node\.mjs$/);
  assert.match(PYTHONPATH ?? '', /\/preload\/python:\/own$/);
});
