// The owner of an Idempotency-Key. A recorded response is sent without asking the bot, so it must not reach another caller.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BotContext } from '../../../../src/bot/index.ts';
import { startGatewayPod } from '../../../support/gateway-pod.ts';
import { GUILD } from '../../../support/interactions.ts';
import { NOTES } from '../../../support/store.ts';

const TARGET = `/api/guilds/${GUILD}/secret`;

/** Tells callers who they are, and rejects unknown ones. */
const bot = {
  tables: ['notes'],
  migrations: [NOTES],
  async fetch(request: Request, context: BotContext) {
    const who = request.headers.get('cookie') ?? request.headers.get('authorization');
    if (who === null) return new Response('who are you?', { status: 401 });
    const count = context.transaction((db) => {
      db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', context.guildId, who);
      return db.get<{ n: number }>('SELECT COUNT(*) AS n FROM notes')?.n;
    });
    return Response.json({ who, count }, { status: 201 });
  },
};

const KEY = ['idempotency-key', 'key-1'];

test("a caller with different credentials does not get another caller's recorded response", async () => {
  await using pod = await startGatewayPod({ bot });
  const post = async (...credentials: string[]) => {
    const { status, text, header } = await pod.ask('POST', TARGET, { headers: [...KEY, ...credentials], body: 'x' });
    return { status, text, replayed: header('guildway-replayed') !== undefined };
  };
  const alice = { status: 201, text: '{"who":"session=alice","count":1}' };
  assert.deepEqual(await post('cookie', 'session=alice'), { ...alice, replayed: false });
  assert.deepEqual(await post('cookie', 'session=alice'), { ...alice, replayed: true });
  const bob = await post('cookie', 'session=bob');
  assert.deepEqual(bob, { status: 201, text: '{"who":"session=bob","count":2}', replayed: false });
  assert.deepEqual(await post(), { status: 401, text: 'who are you?', replayed: false });
  const token = await post('authorization', 'Bearer alice');
  assert.deepEqual(token, { status: 201, text: '{"who":"Bearer alice","count":3}', replayed: false });
  assert.equal((await post('authorization', 'Bearer alice')).replayed, true);
  assert.equal((await post('authorization', 'Bearer bob')).replayed, false);
  assert.equal((await post('authorization', 'session=alice')).replayed, false, 'a value counts with its name');
  assert.deepEqual(await post('cookie', 'session=alice'), { ...alice, replayed: true });
});

test('headers that do not identify a caller do not distinguish callers', async () => {
  await using pod = await startGatewayPod({ bot });
  const post = (...more: string[]) =>
    pod.ask('POST', TARGET, { headers: [...KEY, 'cookie', 'session=alice', ...more], body: 'x' });
  await post('x-forwarded-for', '1.1.1.1');
  assert.equal((await post('x-forwarded-for', '2.2.2.2', 'accept', 'cookie')).header('guildway-replayed'), '1');
});
