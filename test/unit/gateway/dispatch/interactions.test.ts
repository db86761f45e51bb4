import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { REST } from '@discordjs/rest';
import type { APIInteraction } from 'discord-api-types/v10';
import { pino } from 'pino';
import { defineBot } from '../../../../src/bot/define-bot.ts';
import type { BotDefinition, Command } from '../../../../src/bot/types.ts';
import { errorCode } from '../../../../src/errors.ts';
import { IdempotentRunner } from '../../../../src/gateway/dispatch/idempotent-runner.ts';
import { InteractionWebhook } from '../../../../src/gateway/dispatch/interaction-webhook.ts';
import { InteractionDispatch } from '../../../../src/gateway/dispatch/interactions.ts';
import { MESSAGE } from '../../../../src/gateway/dispatch/messages.ts';
import type { Deferred } from '../../../../src/gateway/store/hints.ts';
import { inMs } from '../../../../src/time.ts';
import { autocomplete, command, component, GUILD, modalSubmit } from '../../../support/interactions.ts';
import { noFaults, notesOf, openTestStore, temporaryFolder } from '../../../support/store.ts';
import { startWebhookReceiver } from '../../../support/webhook-receiver.ts';

const note = (text: string): readonly Command[] => [
  {
    name: 'note',
    description: 'Writes a note',
    run: (_, context) => {
      const number = context.transaction((db) => {
        db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', context.guildId, text);
        return db.get<{ n: number }>('SELECT COUNT(*) AS n FROM notes')?.n;
      });
      return { type: 4, data: { content: `note ${number}` } };
    },
  },
];

/** A pod's dispatch with a real database and a Discord that records its requests. */
async function setUp(definition: Omit<BotDefinition, 'name'>) {
  const folder = temporaryFolder();
  const store = openTestStore(folder.file('pod'));
  const discord = await startWebhookReceiver();
  const webhook = new InteractionWebhook(discord.url);
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const bot = defineBot({ name: 'test', ...definition });
  const start = () =>
    new InteractionDispatch({
      bot,
      host: { pod: 0, store, rest: null as unknown as REST, owns: () => true, log },
      once: new IdempotentRunner({ ledger: store.ledger, faults: noFaults, log }),
      webhook,
    });
  let dispatch = start();
  return {
    store,
    discord,
    lines,
    restart: () => {
      dispatch = start();
    },
    async serve(interaction: APIInteraction, options: { deferred?: Deferred; lifeMs?: number; body?: Buffer } = {}) {
      const response = await dispatch.serve(interaction, {
        body: options.body ?? Buffer.from(JSON.stringify(interaction)),
        guildId: GUILD,
        requestId: 'request-1',
        deadlineAt: inMs(1_000),
        deferred: options.deferred ?? 0,
        completeUntil: options.lifeMs === undefined ? null : inMs(options.lifeMs),
      });
      const text = response.body.toString();
      return { ...response, value: text === '' ? null : JSON.parse(text) };
    },
    async [Symbol.asyncDispose]() {
      webhook.close();
      await discord[Symbol.asyncDispose]();
      store.close();
      folder[Symbol.dispose]();
    },
  };
}

const whispers = (content: string) => ({ type: 4, data: { content, flags: 64 } });

test('each kind of interaction reaches its handler', async () => {
  const run = (who: string) => () => ({ type: 4 as const, data: { content: who } });
  await using pod = await setUp({
    commands: [
      {
        name: 'warn',
        description: 'x',
        run: run('warn'),
        autocomplete: () => Array(30).fill({ name: 'a', value: 'a' }),
      },
      { name: 'Report', type: 3, run: run('report') },
    ],
    components: { page: { run: run('page') } },
    modals: { reason: { run: run('reason') } },
  });
  const answers = async (interaction: APIInteraction) => (await pod.serve(interaction)).value;
  assert.deepEqual(await answers({ type: 1, id: '1' } as unknown as APIInteraction), { type: 1 });
  assert.equal((await answers(command('warn'))).data.content, 'warn');
  assert.equal((await answers(command('Report', { data: { name: 'Report', type: 3 } }))).data.content, 'report');
  assert.equal((await answers(component('page:3:4'))).data.content, 'page');
  assert.equal((await answers(modalSubmit('reason'))).data.content, 'reason');
  assert.equal((await answers(autocomplete('warn'))).data.choices.length, 25);
});

test('commands of different types with one name have separate handlers and deferrals', async () => {
  const run =
    (content: string, flags = 0) =>
    () => ({ type: 4 as const, data: { content, flags } });
  await using pod = await setUp({
    commands: [
      { name: 'report', type: 2, run: run('user', 64) },
      { name: 'report', type: 3, run: run('message', 64), ephemeral: true },
      { name: 'report', description: 'x', run: run('slash'), autocomplete: () => [{ name: 'a', value: 'a' }] },
    ],
  });
  const report = (type: number) => command('report', { data: { name: 'report', type } });
  const contents = await Promise.all([1, 2, 3].map(async (type) => (await pod.serve(report(type))).value.data.content));
  assert.deepEqual(contents, ['slash', 'user', 'message']);
  assert.equal((await pod.serve(autocomplete('report'))).value.data.choices.length, 1);
  // An ephemeral response follows a public deferred message, and edits an ephemeral one.
  const lateCalls = async (type: number) => {
    pod.discord.requests.length = 0;
    assert.equal((await pod.serve(report(type), { deferred: 5 })).status, 200);
    return pod.discord.requests.map(({ method }) => method);
  };
  assert.deepEqual(await lateCalls(2), ['PATCH', 'POST']);
  assert.deepEqual(await lateCalls(3), ['PATCH']);
});

test('an unknown command, component or name is answered, and logged with the interaction', async () => {
  await using pod = await setUp({ commands: note('x'), components: { page: { run: () => ({ type: 6 }) } } });
  const user = command('note', { data: { name: 'note', type: 2 } });
  for (const unknown of [command('gone'), component('gone:1'), modalSubmit('constructor'), user]) {
    assert.deepEqual((await pod.serve(unknown)).value, whispers(MESSAGE.unknownCommand));
    assert.equal(pod.lines.at(-1)?.interaction, unknown.id);
  }
  assert.deepEqual((await pod.serve(autocomplete('note'))).value, { type: 8, data: { choices: [] } });
});

test('a handler that throws or returns an invalid response: an apology with a reference, and a log with the interaction', async () => {
  const bad: Record<string, () => never> = {
    throws: () => {
      throw new Error('a bug');
    },
    rejects: () => Promise.reject(new Error('a bug')) as never,
    nothing: () => undefined as never,
    wrong: () => ({ type: 8 }) as never,
    update: () => ({ type: 7, data: {} }) as never,
  };
  const commands = Object.entries(bad).map(([name, run]) => ({ name, description: 'x', run }));
  await using pod = await setUp({ commands });
  for (const name of Object.keys(bad)) {
    const interaction = command(name);
    const { status, value } = await pod.serve(interaction);
    assert.deepEqual([status, value], [200, whispers(MESSAGE.failed('request-1'))], name);
    const line = pod.lines.at(-1);
    assert.deepEqual([line?.level, line?.interaction, line?.request], [50, interaction.id, 'request-1'], name);
  }
});

test('the log of a failed handler contains no token and no message content', async () => {
  const failure = Object.assign(new Error('Invalid Form Body'), {
    code: 50035,
    status: 400,
    url: 'https://discord.com/api/webhooks/1/secret-token',
    requestBody: { json: { content: 'private words' } },
  });
  await using pod = await setUp({ commands: [{ name: 'x', description: 'x', run: () => Promise.reject(failure) }] });
  await pod.serve(command('x'));
  const logged = JSON.stringify(pod.lines);
  const { err } = pod.lines.at(-1) as { err?: { type?: unknown } };
  assert.equal(err?.type, 'Error');
  assert.match(logged, /Invalid Form Body/);
  assert.doesNotMatch(logged, /secret-token|private words/);
});

test('a repeated delivery gets the stored response, marked as such, and has no effect', async () => {
  await using pod = await setUp({ commands: note('once') });
  const interaction = command('note');
  const first = await pod.serve(interaction);
  pod.restart();
  const second = await pod.serve(interaction);
  assert.deepEqual(second.value, first.value);
  assert.ok(second.headers.includes('guildway-replayed'));
  await assert.rejects(
    pod.serve(interaction, { body: Buffer.from('{"another":"body"}') }),
    (error: unknown) => errorCode(error) === 'IDENTITY_REUSED',
  );
  assert.deepEqual(notesOf(pod.store), ['once']);
});

test('an unknown command that was deferred as ephemeral is answered in place', async () => {
  await using pod = await setUp({});
  assert.equal((await pod.serve(command('gone'), { deferred: 5 })).status, 200);
  assert.deepEqual(
    pod.discord.requests.map(({ method, body }) => ({ method, body })),
    [{ method: 'PATCH', body: { content: MESSAGE.unknownCommand } }],
  );
});

test('a deferred interaction is executed and shown by an edit, each only once', async () => {
  await using pod = await setUp({ commands: note('late') });
  const interaction = command('note');
  const deliver = () => pod.serve(interaction, { deferred: 5, lifeMs: 60_000 });
  assert.equal((await deliver()).status, 200);
  pod.restart();
  assert.equal((await deliver()).status, 200);
  assert.deepEqual(notesOf(pod.store), ['late']);
  assert.equal(pod.discord.requests.length, 1);
  const [edit] = pod.discord.requests;
  assert.deepEqual(
    [edit?.method, edit?.path.endsWith(`/${interaction.token}/messages/@original`), edit?.body, edit?.authorized],
    ['PATCH', true, { content: 'note 1' }, false],
  );
});

test('two stand-ins deliver while the first delivery still runs: one execution, one follow-up', async () => {
  const gate = Promise.withResolvers<void>();
  let calls = 0;
  await using pod = await setUp({
    components: {
      slow: {
        run: async () => {
          calls++;
          await gate.promise;
          return { type: 4, data: { content: 'at last' } };
        },
      },
    },
  });
  const press = component('slow');
  const inline = pod.serve(press);
  const hints = [1, 2].map(() => pod.serve(press, { deferred: 6, lifeMs: 60_000 }));
  await delay(10);
  gate.resolve();
  assert.deepEqual(
    (await Promise.all([inline, ...hints])).map(({ status }) => status),
    [200, 200, 200],
  );
  assert.equal(calls, 1);
  assert.deepEqual(
    pod.discord.requests.map(({ method, body }) => [method, body]),
    [['POST', { content: 'at last' }]],
  );
});

test('an edit that overtakes the first response is repeated', async () => {
  await using pod = await setUp({ commands: note('early') });
  pod.discord.answers.push({ status: 404, code: 10015 }, { status: 404, code: 10015 });
  assert.equal((await pod.serve(command('note'), { deferred: 5 })).status, 200);
  assert.equal(pod.discord.requests.length, 3);
});

test('an edit does not wait for a first response that left long ago or never will', async () => {
  await using pod = await setUp({ commands: note('old') });
  pod.discord.answers.push({ status: 404, code: 10015 });
  const minuteAgo = String(BigInt(command('note').id) - (60_000n << 22n));
  assert.equal((await pod.serve(command('note', { id: minuteAgo }), { deferred: 5 })).status, 200);
  assert.equal(pod.discord.requests.length, 1);
  assert.match(JSON.stringify(pod.lines.at(-1)), /can no longer be told/);
});

test('while Discord fails the stand-in must retry, and the handler does not run again', async () => {
  await using pod = await setUp({ commands: note('kept') });
  const interaction = command('note');
  pod.discord.answers.push(...Array(3).fill({ status: 500 }));
  assert.equal((await pod.serve(interaction, { deferred: 5 })).status, 502);
  assert.equal((await pod.serve(interaction, { deferred: 5 })).status, 200);
  assert.deepEqual(notesOf(pod.store), ['kept']);
  assert.deepEqual(pod.discord.requests.at(-1)?.body, { content: 'note 1' });
});

test('a late response that Discord rejects is replaced by an apology; a dead token ends the attempts', async () => {
  await using pod = await setUp({ commands: note('x') });
  pod.discord.answers.push({ status: 400, code: 50035 });
  assert.equal((await pod.serve(command('note'), { deferred: 5 })).status, 200);
  assert.deepEqual(pod.discord.requests.at(-1)?.body, { content: MESSAGE.failed('request-1') });
  pod.discord.answers.push({ status: 401, code: 50027 });
  assert.equal((await pod.serve(command('note'), { deferred: 5 })).status, 200);
  assert.match(JSON.stringify(pod.lines.at(-1)), /can no longer be told/);
});

test('a pod whose clock is wrong waits for the first response like any other', async (t) => {
  await using pod = await setUp({ commands: note('early') });
  const interaction = command('note');
  for (const wrongMs of [600_000, -600_000]) {
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + wrongMs });
    pod.restart();
    pod.discord.answers.push({ status: 404, code: 10015 });
    // The interaction is half a second old, according to its stand-in.
    const one = { ...interaction, id: String(BigInt(interaction.id) + BigInt(Math.abs(wrongMs) + wrongMs)) };
    assert.equal(
      (await pod.serve(one as typeof interaction, { deferred: 5, lifeMs: 14.5 * 60_000 - 500 })).status,
      200,
    );
    t.mock.timers.reset();
    assert.equal(pod.discord.answers.length, 0);
    assert.deepEqual(pod.discord.requests.splice(0).length, 2, `wrong by ${wrongMs} ms: the edit is repeated`);
  }
});

test('when the store refuses, a waiting user gets an apology and a stand-in an error', async () => {
  await using pod = await setUp({ commands: note('x') });
  // Another connection holds the write lock for longer than a statement waits.
  const { DatabaseSync } = await import('node:sqlite');
  const other = new DatabaseSync(pod.store.connection.sqlite.location() ?? '');
  other.exec('BEGIN IMMEDIATE');
  assert.deepEqual((await pod.serve(command('note'))).value, whispers(MESSAGE.notSaved('request-1')));
  await assert.rejects(
    pod.serve(command('note'), { deferred: 5 }),
    (error: unknown) => errorCode(error) === 'STORE_FAILED',
  );
  other.exec('ROLLBACK');
  other.close();
  assert.deepEqual(notesOf(pod.store), []);
  assert.equal(pod.discord.requests.length, 0);
});
