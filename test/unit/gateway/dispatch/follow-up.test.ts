// Of src/gateway/dispatch/{interaction-jobs,find-handler}.ts and src/gateway/jobs/interaction-work.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { REST } from '@discordjs/rest';
import { Registry } from 'prom-client';
import { type BotDefinition, defineBot } from '../../../../src/bot/index.ts';
import type { Host } from '../../../../src/gateway/dispatch/context.ts';
import { IdempotentRunner } from '../../../../src/gateway/dispatch/idempotent-runner.ts';
import { InteractionWebhook } from '../../../../src/gateway/dispatch/interaction-webhook.ts';
import { InteractionDispatch } from '../../../../src/gateway/dispatch/interactions.ts';
import { JobExecution } from '../../../../src/gateway/jobs/execution.ts';
import { createGatewayMetrics } from '../../../../src/gateway/metrics.ts';
import { inMs } from '../../../../src/time.ts';
import { command, component, GUILD } from '../../../support/interactions.ts';
import { movedClock } from '../../../support/jobs.ts';
import { noFaults, notesOf, openTestStore, silent, temporaryFolder } from '../../../support/store.ts';
import { startWebhookReceiver } from '../../../support/webhook-receiver.ts';

/** A pod with its dispatch and its jobs, and a Discord that records requests. */
async function setUp(definition: Omit<BotDefinition, 'name'>) {
  const folder = temporaryFolder();
  const clock = movedClock();
  const store = openTestStore(folder.file('pod'), { now: clock.now });
  const discord = await startWebhookReceiver();
  const webhook = new InteractionWebhook(discord.url);
  const bot = defineBot({ name: 'test', ...definition });
  const host: Host = { pod: 0, store, rest: null as unknown as REST, owns: () => true, log: silent };
  const { handlerSeconds } = createGatewayMetrics(new Registry());
  const execution = new JobExecution({
    ...{ bot, host, webhook, crons: new Map(), isRun: () => true, faults: noFaults, handlerSeconds },
    random: () => 0,
  });
  const serve = (interaction: ReturnType<typeof command>, deferred: 0 | 5 = 0) =>
    new InteractionDispatch({
      ...{ bot, host, webhook },
      once: new IdempotentRunner({ ledger: store.ledger, faults: noFaults, log: silent }),
    }).serve(interaction, {
      ...{ body: Buffer.from(JSON.stringify(interaction)), guildId: GUILD, requestId: 'r', deadlineAt: inMs(1_000) },
      ...{ deferred, completeUntil: deferred === 0 ? null : inMs(60_000) },
    });
  return {
    ...{ store, discord, clock, serve },
    /** Lets time pass, and runs the jobs that are due then, in order. */
    async pass(ms: number) {
      clock.advance(ms);
      await store.connection.settled();
      const due = store.jobs.due(clock.now(), 100, new Set());
      store.jobs.begin(due);
      const outcomes: string[] = [];
      for (const job of due) outcomes.push(await execution.run(job));
      return outcomes;
    },
    async [Symbol.asyncDispose]() {
      webhook.close();
      await discord[Symbol.asyncDispose]();
      store.close();
      folder[Symbol.dispose]();
    },
  };
}

const contents = (requests: readonly { readonly method: string; readonly body: unknown }[]): unknown[] =>
  requests.map(({ method, body }) => [method, (body as { content?: string } | null)?.content]);

const talkative: Omit<BotDefinition, 'name'> = {
  commands: [
    {
      name: 'note',
      description: 'x',
      run(_, context) {
        context.transaction((db) => {
          db.run("INSERT INTO notes (guild_id, text) VALUES ('1', 'once')");
          context.followUp('one');
        });
        context.followUp({ content: 'two', flags: 64 });
        return { type: 4, data: { content: 'response' } };
      },
    },
  ],
};

test('follow-ups are sent in order after the response, once for each interaction', async () => {
  await using pod = await setUp(talkative);
  const interaction = command('note');
  for (let delivery = 0; delivery < 2; delivery++) assert.equal((await pod.serve(interaction)).status, 200);
  assert.equal(pod.discord.requests.length, 0);
  assert.deepEqual(await pod.pass(1_000), ['ok', 'ok']);
  assert.deepEqual(await pod.pass(1_000), []);
  assert.deepEqual(contents(pod.discord.requests), [
    ['POST', 'one'],
    ['POST', 'two'],
  ]);
  assert.equal(pod.discord.requests[1]?.body?.flags, 64);
  assert.equal(pod.discord.requests[0]?.path, `/webhooks/${interaction.application_id}/${interaction.token}`);
  assert.deepEqual(notesOf(pod.store), ['once']);
});

test('a follow-up of a transaction that fails is not sent', async () => {
  const run = (_: unknown, context: { transaction: (work: () => void) => void; followUp: (text: string) => void }) => {
    context.transaction(() => {
      context.followUp('never');
      throw new Error('no');
    });
    return { type: 4, data: { content: 'x' } } as const;
  };
  await using pod = await setUp({ commands: [{ name: 'note', description: 'x', run }] });
  await pod.serve(command('note'));
  assert.deepEqual(await pod.pass(1_000), []);
});

test('while Discord fails, a follow-up is tried again until the token has expired', async () => {
  await using pod = await setUp(talkative);
  await pod.serve(command('note'));
  // Each attempt is three requests of the client.
  pod.discord.answers.push(...Array.from({ length: 6 }, () => ({ status: 500 })));
  assert.deepEqual(await pod.pass(1_000), ['failed', 'failed']);
  assert.deepEqual(await pod.pass(1_000), ['ok', 'ok']);
  await pod.serve(command('note'));
  const { length } = pod.discord.requests;
  assert.deepEqual(await pod.pass(15 * 60_000), ['ok', 'ok']);
  assert.equal(pod.discord.requests.length, length);
  assert.deepEqual(pod.store.jobs.counts().waiting, 0);
});

test('a follow-up that Discord rejects is given up', async () => {
  await using pod = await setUp(talkative);
  await pod.serve(command('note'));
  pod.discord.answers.push({ status: 400, code: 50035 }, { status: 404, code: 10015 });
  // Old enough not to wait for the first response.
  assert.deepEqual(await pod.pass(20_000), ['ok', 'ok']);
  assert.equal(pod.discord.requests.length, 2);
});

test('after a deferred response, follow-ups leave when it has been completed', async () => {
  await using pod = await setUp(talkative);
  await pod.serve(command('note'), 5);
  assert.deepEqual(contents(pod.discord.requests), [['PATCH', 'response']]);
  assert.deepEqual(await pod.pass(900), []);
  assert.deepEqual(await pod.pass(200), ['ok', 'ok']);
});

test('after() gets the message of the response, once, for commands and components', async () => {
  const seen: unknown[] = [];
  const after: NonNullable<NonNullable<BotDefinition['commands']>[number]['after']> = (context, message) => {
    context.transaction(() => {});
    seen.push([context.guildId, message]);
    if (context.job.attempt === 1) throw new Error('once');
  };
  const run = () => ({ type: 4, data: { content: 'x' } }) as const;
  await using pod = await setUp({
    commands: [{ name: 'note', description: 'x', run, after }],
    components: { press: { run, after } },
  });
  const interaction = command('note');
  for (let delivery = 0; delivery < 2; delivery++) await pod.serve(interaction);
  assert.deepEqual(await pod.pass(1_000), ['failed']);
  assert.deepEqual(await pod.pass(1_000), ['ok']);
  assert.deepEqual(await pod.pass(10_000), []);
  assert.deepEqual(seen, [
    [GUILD, {}],
    [GUILD, {}],
  ]);
  assert.equal(
    pod.discord.requests[0]?.path,
    `/webhooks/${interaction.application_id}/${interaction.token}/messages/@original`,
  );
  await pod.serve(component('press:1') as never);
  await pod.pass(1_000);
  assert.equal(seen.length, 3);
});

test('only handlers of interactions follow up', async () => {
  const { HandlerContext } = await import('../../../../src/gateway/dispatch/context.ts');
  const { NO_MEMO } = await import('../../../../src/gateway/store/ledger.ts');
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const host: Host = { pod: 0, store, rest: null as unknown as REST, owns: () => true, log: silent };
  const context = new HandlerContext(host, {
    ...{ guildId: GUILD, requestId: 'r', durability: 'full', memo: NO_MEMO, deadlineAt: inMs(1_000) },
    signal: () => new AbortController().signal,
  });
  assert.throws(() => context.followUp('x'), { code: 'JOB_INVALID', message: /only the handler of an interaction/ });
});
