// Of src/gateway/dispatch/lifetime.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { REST } from '@discordjs/rest';
import { defineBot } from '../../../../src/bot/index.ts';
import { BotLifetime } from '../../../../src/gateway/dispatch/lifetime.ts';
import { startGatewayPod } from '../../../support/gateway-pod.ts';
import { notesOf, openTestStore, silent, temporaryFolder } from '../../../support/store.ts';

const GUILD = '613425648685547541';

test('a bot starts before its first handler and stops after its last one', async () => {
  const seen: string[] = [];
  let signal: AbortSignal | null = null;
  const handling = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const pod = await startGatewayPod({
    bot: {
      async start(context) {
        await context.durable();
        signal = context.signal;
        seen.push(`start at pod ${context.pod}`);
      },
      async fetch() {
        seen.push('request');
        handling.resolve();
        await answer.promise;
        seen.push('response');
        return new Response('x');
      },
      stop: () => void seen.push(`stop, aborted: ${signal?.aborted}`),
    },
  });
  const asked = pod.ask('GET', `/api/guilds/${GUILD}/x`);
  await handling.promise;
  const drained = pod.service.drain();
  answer.resolve();
  await Promise.all([asked, drained]);
  await pod[Symbol.asyncDispose]();
  assert.deepEqual(seen, ['start at pod 0', 'request', 'response', 'stop, aborted: true']);
});

test('a bot whose start fails or takes too long does not serve', async () => {
  const bot = { start: () => Promise.reject(new Error('no connection')) };
  await assert.rejects(startGatewayPod({ bot }), {
    code: 'BOT_INVALID',
    message: /"test": start\(\) failed: no connection/,
  });
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const host = { pod: 0, store, rest: null as unknown as REST, owns: () => true, log: silent };
  const slow = new BotLifetime({
    bot: defineBot({ name: 'slow', start: () => new Promise(() => {}) }),
    host,
    startLimitMs: 1,
  });
  await assert.rejects(slow.start(), { code: 'BOT_INVALID', message: /has not returned within 1 ms/ });
});

test('a stop that fails or takes too long does not hold the pod, and runs once', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const host = { pod: 0, store, rest: null as unknown as REST, owns: () => true, log: silent };
  let stops = 0;
  const bot = defineBot({
    name: 'test',
    stop(context) {
      stops++;
      context.transaction((db) => db.run("INSERT INTO notes (guild_id, text) VALUES ('1', 'stopped')"));
      throw new Error('no');
    },
  });
  const lifetime = new BotLifetime({ bot, host });
  await Promise.all([lifetime.stop(), lifetime.stop()]);
  assert.deepEqual([stops, notesOf(store)], [1, ['stopped']]);
  await new BotLifetime({
    bot: defineBot({ name: 'slow', stop: () => new Promise(() => {}) }),
    host,
    stopLimitMs: 1,
  }).stop();
});
