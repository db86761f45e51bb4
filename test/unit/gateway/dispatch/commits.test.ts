// Nothing leaves a pod before the commit that it depends on is on disk.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { REST } from '@discordjs/rest';
import { Registry } from 'prom-client';
import { defineBot } from '../../../../src/bot/define-bot.ts';
import type { BotContext, BotDefinition } from '../../../../src/bot/types.ts';
import { errorCode } from '../../../../src/errors.ts';
import { EventDispatch } from '../../../../src/gateway/dispatch/events.ts';
import { FetchDispatch } from '../../../../src/gateway/dispatch/fetch.ts';
import { IdempotentRunner } from '../../../../src/gateway/dispatch/idempotent-runner.ts';
import { InteractionWebhook } from '../../../../src/gateway/dispatch/interaction-webhook.ts';
import { InteractionDispatch } from '../../../../src/gateway/dispatch/interactions.ts';
import { MESSAGE } from '../../../../src/gateway/dispatch/messages.ts';
import { isStreamed } from '../../../../src/gateway/dispatch/reply.ts';
import { readFaults } from '../../../../src/gateway/faults.ts';
import { createGatewayMetrics } from '../../../../src/gateway/metrics.ts';
import { GuildActivity } from '../../../../src/gateway/moving/guild-activity.ts';
import { inMs } from '../../../../src/time.ts';
import { command, GUILD } from '../../../support/interactions.ts';
import { openTestStore, silent, temporaryFolder } from '../../../support/store.ts';

const add = ({ transaction }: BotContext, text: string): void =>
  transaction((db) => void db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', GUILD, text));

/** A pod's dispatch, a Discord that records what is committed at each call, and commits that can fail on request. */
async function setUp(definition: Omit<BotDefinition, 'name'>) {
  const folder = temporaryFolder();
  const { has, ...otherFaults } = readFaults({ GUILDWAY_TEST_FAULT: 'fail-commit', NODE_ENV: 'test' });
  const pod = { failing: false };
  const faults = { ...otherFaults, has: (fault: Parameters<typeof has>[0]) => pod.failing && has(fault) };
  const store = openTestStore(folder.file('pod'), { faults });
  const other = new DatabaseSync(folder.file('pod'), { readOnly: true });
  const committed = (): string[] =>
    other
      .prepare('SELECT text FROM notes ORDER BY rowid')
      .all()
      .map(({ text }) => text as string);
  /** The committed data at each call of Discord's API. */
  const calls: string[][] = [];
  const discord = createServer((_, response) => {
    calls.push(committed());
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => discord.listen(0, '127.0.0.1', resolve));
  const api = `http://127.0.0.1:${(discord.address() as AddressInfo).port}`;
  const rest = new REST({ api, version: '10' }).setToken('token');
  const webhook = new InteractionWebhook(api);
  const bot = defineBot({ name: 'test', ...definition });
  const host = { pod: 0, store, rest, owns: () => true, log: silent };
  const once = new IdempotentRunner({ ledger: store.ledger, faults, log: silent });
  const interactions = new InteractionDispatch({ bot, host, once, webhook });
  const fetch = new FetchDispatch({ bot, host, once });
  const events = new EventDispatch({
    bot,
    host,
    activity: new GuildActivity(),
    faults,
    metrics: createGatewayMetrics(new Registry()),
  });
  return Object.assign(pod, {
    committed,
    calls,
    recorded: (): number =>
      Number(other.prepare('SELECT COUNT(*) AS n FROM guildway_ledger WHERE response IS NOT NULL').get()?.n),
    async use(interaction = command('note')) {
      const body = Buffer.from(JSON.stringify(interaction));
      const delivery = {
        body,
        guildId: GUILD,
        requestId: 'r',
        deadlineAt: inMs(5_000),
        deferred: 0,
        completeUntil: null,
      } as const;
      return JSON.parse((await interactions.serve(interaction, delivery)).body.toString()).data.content as string;
    },
    get: () =>
      fetch.serve({
        ...{ method: 'GET', target: `/app/${GUILD}`, headers: [], body: null, guildId: GUILD, requestId: 'r' },
        ...{ deadlineAt: inMs(5_000), signal: () => new AbortController().signal },
      }),
    message: (sequence: number) =>
      events.dispatch({
        ...{ name: 'MESSAGE_CREATE', data: { content: `message ${sequence}` }, guildId: GUILD },
        ...{ shard: 0, sessionId: 'session', sequence },
      }),
    async [Symbol.asyncDispose]() {
      for (const client of [rest, webhook]) {
        if (client instanceof REST) {
          client.clearHashSweeper();
          client.clearHandlerSweeper();
        } else client.close();
      }
      discord.closeAllConnections();
      discord.close();
      other.close();
      store.close();
      folder[Symbol.dispose]();
    },
  });
}

const says = (content: string) => ({ type: 4 as const, data: { content } });
const notes = (run: (context: BotContext) => ReturnType<typeof says> | Promise<ReturnType<typeof says>>) => ({
  commands: [{ name: 'note', description: 'x', run: (_: unknown, context: BotContext) => run(context) }],
});

test('a response leaves when the writes and the recorded response are committed, in one commit per turn', async () => {
  await using pod = await setUp(
    notes((context) => {
      add(context, 'x');
      return says('kept');
    }),
  );
  const first = pod.use().then((answer) => ({ answer, notes: pod.committed().length, recorded: pod.recorded() }));
  const others = Promise.all(Array.from({ length: 19 }, () => pod.use()));
  assert.deepEqual(await first, { answer: 'kept', notes: 20, recorded: 20 });
  await others;
});

test('after a failed commit every user learns that nothing was saved, and a repetition is executed', async () => {
  await using pod = await setUp(
    notes((context) => {
      add(context, 'x');
      return says('kept');
    }),
  );
  const [one, two] = [command('note'), command('note')];
  pod.failing = true;
  assert.deepEqual(await Promise.all([pod.use(one), pod.use(two)]), [MESSAGE.notSaved('r'), MESSAGE.notSaved('r')]);
  assert.deepEqual(pod.committed(), []);
  pod.failing = false;
  assert.deepEqual(await Promise.all([pod.use(one), pod.use(one)]), ['kept', 'kept']);
  assert.deepEqual(pod.committed(), ['x']);
});

test('a handler whose first commit failed is not recorded as done, whatever it has written afterwards', async () => {
  await using pod = await setUp(
    notes(async (context) => {
      pod.failing = true;
      add(context, 'lost');
      await assert.rejects(context.durable());
      pod.failing = false;
      add(context, 'written later');
      return says('kept');
    }),
  );
  assert.equal(await pod.use(), MESSAGE.notSaved('r'));
  assert.equal(pod.recorded(), 0);
});

test('a reader of uncommitted data gets an error when the commit fails', async () => {
  await using pod = await setUp({
    commands: [
      {
        name: 'note',
        description: 'x',
        run(_, context) {
          add(context, 'x');
          return says('kept');
        },
      },
      {
        name: 'count',
        description: 'x',
        run: (_, { db }) => says(`${db.all('SELECT * FROM notes').length} notes`),
      },
    ],
  });
  pod.failing = true;
  const answers = await Promise.all([pod.use(), pod.use(command('count'))]);
  assert.deepEqual(answers, [MESSAGE.notSaved('r'), MESSAGE.notSaved('r')]);
  pod.failing = false;
  assert.equal(await pod.use(command('count')), '0 notes');
});

test('a handler that goes on after its commit has failed does not succeed, and records nothing', async () => {
  const gate = Promise.withResolvers<void>();
  await using pod = await setUp(
    notes(async (context) => {
      add(context, 'x');
      await gate.promise;
      return says('kept');
    }),
  );
  pod.failing = true;
  const answer = pod.use();
  // The commit is at the end of the turn.
  await new Promise(setImmediate);
  pod.failing = false;
  gate.resolve();
  assert.equal(await answer, MESSAGE.notSaved('r'));
  assert.deepEqual([pod.committed(), pod.recorded()], [[], 0]);
});

test("Discord's API is called only after a successful commit", async () => {
  await using pod = await setUp(
    notes(async (context) => {
      add(context, 'x');
      await context.rest.post('/channels/1/messages', { body: { content: 'x' } });
      return says('kept');
    }),
  );
  assert.equal(await pod.use(), 'kept');
  assert.deepEqual(pod.calls.splice(0), [['x']]);
  pod.failing = true;
  assert.equal(await pod.use(), MESSAGE.notSaved('r'));
  assert.deepEqual(pod.calls, []);
});

test("context.durable resolves when the handler's writes are on disk, or rejects", async () => {
  const seen: unknown[] = [];
  await using pod = await setUp(
    notes(async (context) => {
      add(context, 'x');
      seen.push(pod.committed().length);
      await context.durable().then(
        () => seen.push(pod.committed().length),
        (error: unknown) => seen.push(errorCode(error)),
      );
      return says('kept');
    }),
  );
  await pod.use();
  pod.failing = true;
  await pod.use();
  assert.deepEqual(seen, [0, 1, 1, 'STORE_FAILED']);
});

test('a page and every chunk of a stream wait for the commits that they depend on', async () => {
  await using pod = await setUp({
    fetch: (_, context) => {
      add(context, 'head');
      let chunk = 0;
      const stream = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (++chunk > 2) controller.close();
          else {
            add(context, `chunk ${chunk}`);
            controller.enqueue(Buffer.from(`chunk ${chunk}`));
          }
        },
      });
      return new Response(stream);
    },
  });
  const reply = await pod.get();
  assert.ok(isStreamed(reply));
  assert.ok(pod.committed().includes('head'));
  for await (const bytes of reply.stream) {
    await reply.durable?.();
    assert.ok(pod.committed().includes(Buffer.from(bytes).toString()));
  }
  pod.failing = true;
  await assert.rejects(pod.get(), (error) => errorCode(error) === 'STORE_FAILED');
});

test('events of one turn commit together; after a failed commit they are handled again once, in order', async () => {
  await using pod = await setUp({
    events: { MESSAGE_CREATE: ({ content }, context) => add(context, content) },
  });
  await Promise.all([pod.message(1), pod.message(2)]);
  pod.failing = true;
  const failing = [pod.message(3), pod.message(4)];
  await new Promise(setImmediate);
  assert.deepEqual(pod.committed(), ['message 1', 'message 2']);
  pod.failing = false;
  await Promise.all(failing);
  assert.deepEqual(pod.committed(), ['message 1', 'message 2', 'message 3', 'message 4']);
});
