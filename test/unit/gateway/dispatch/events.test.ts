import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { REST } from '@discordjs/rest';
import { Registry } from 'prom-client';
import { defineBot } from '../../../../src/bot/define-bot.ts';
import type { BotDefinition } from '../../../../src/bot/types.ts';
import type { GuildEvent } from '../../../../src/gateway/discord-seam.ts';
import { EventDispatch } from '../../../../src/gateway/dispatch/events.ts';
import { createGatewayMetrics } from '../../../../src/gateway/metrics.ts';
import { GuildActivity } from '../../../../src/gateway/moving/guild-activity.ts';
import { noFaults, notesOf, openTestStore, silent, temporaryFolder } from '../../../support/store.ts';

const [A, B] = ['102860784329052160', '81384788765712384'] as const;

const message = (sequence: number, content: string, guildId: string | null = A): GuildEvent => ({
  name: 'MESSAGE_CREATE',
  data: { content },
  guildId,
  shard: 0,
  sessionId: 'session',
  sequence,
});

function dispatchFor(store: ReturnType<typeof openTestStore>, events: NonNullable<BotDefinition['events']>) {
  return new EventDispatch({
    bot: defineBot({ name: 'test', events }),
    host: { pod: 0, store, rest: null as unknown as REST, owns: () => true, log: silent },
    activity: new GuildActivity(),
    faults: noFaults,
    metrics: createGatewayMetrics(new Registry()),
  });
}

test('an event repeated after a restart changes nothing', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const start = () =>
    dispatchFor(store, {
      MESSAGE_CREATE: ({ content }, context) =>
        context.transaction((db) => {
          db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', context.guildId, content);
        }),
    });
  for (const dispatch of [start(), start()]) for (const n of [1, 2]) await dispatch.dispatch(message(n, `note ${n}`));
  assert.deepEqual(notesOf(store), ['note 1', 'note 2']);
  await start().dispatch({ ...message(1, 'another session'), sessionId: 'other' });
  assert.deepEqual(notesOf(store), ['note 1', 'note 2', 'another session']);
});

test('events of one guild are handled in order, those of different guilds concurrently', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const gate = Promise.withResolvers<void>();
  const seen: string[] = [];
  const dispatch = dispatchFor(store, {
    MESSAGE_CREATE: async ({ content }) => {
      if (content === 'a1') await gate.promise;
      else if (content === 'a2') await delay(1);
      seen.push(content);
    },
    // Without waiting, but still after the previous ones.
    MESSAGE_DELETE: () => void seen.push('a3'),
  });
  const all = [
    dispatch.dispatch(message(1, 'a1')),
    dispatch.dispatch(message(2, 'a2')),
    dispatch.dispatch({ ...message(3, ''), name: 'MESSAGE_DELETE' }),
    dispatch.dispatch(message(4, 'b1', B)),
    dispatch.dispatch(message(5, 'dm', null)),
  ];
  await Promise.all(all.slice(3));
  assert.deepEqual(seen.toSorted(), ['b1', 'dm']);
  gate.resolve();
  await Promise.all(all);
  assert.deepEqual(seen.slice(2), ['a1', 'a2', 'a3']);
});

test('a handler that fails is logged, and the next event of its guild is handled', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const seen: string[] = [];
  const dispatch = dispatchFor(store, {
    MESSAGE_CREATE: ({ content }) => {
      if (content === 'throws') throw new Error('a bug');
      if (content === 'rejects') return Promise.reject(new Error('a bug'));
      seen.push(content);
    },
  });
  const contents = ['throws', 'one', 'rejects', 'two'];
  await Promise.all(contents.map((content, i) => dispatch.dispatch(message(i + 1, content))));
  assert.deepEqual(seen, ['one', 'two']);
});

test('events without a handler are ignored, whatever their name', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const dispatch = dispatchFor(store, {});
  for (const name of ['TYPING_START', 'constructor', '__proto__']) await dispatch.dispatch({ ...message(1, ''), name });
});

test('an event waits while the disk refuses writes', async (t) => {
  // The pod's retry timer does not keep a process alive.
  const alive = setInterval(() => {}, 1_000);
  t.after(() => clearInterval(alive));
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const { DatabaseSync } = await import('node:sqlite');
  const other = new DatabaseSync(folder.file('pod'));
  other.exec('BEGIN IMMEDIATE');
  const dispatch = dispatchFor(store, {
    MESSAGE_CREATE: ({ content }, context) =>
      context.transaction((db) => {
        db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', context.guildId, content);
      }),
  });
  const handled = dispatch.dispatch(message(1, 'patient'));
  assert.deepEqual(notesOf(store), []);
  other.exec('ROLLBACK');
  other.close();
  await handled;
  assert.deepEqual(notesOf(store), ['patient']);
});

test('a handler that does not end is abandoned after a minute: its signal aborts, and its guild goes on', async (t) => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const seen: string[] = [];
  let aborted = false;
  const dispatch = dispatchFor(store, {
    MESSAGE_CREATE: ({ content }, { signal }) => {
      seen.push(content);
      if (content !== 'stuck') return;
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      return new Promise(() => {});
    },
  });
  const stuck = dispatch.dispatch(message(1, 'stuck'));
  const next = dispatch.dispatch(message(2, 'next'));
  t.mock.timers.tick(59_999);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([seen, aborted], [['stuck'], false]);
  t.mock.timers.tick(1);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([seen, aborted], [['stuck', 'next'], true]);
  await Promise.all([stuck, next]);
});

test('events commit without waiting for the disk: after a power loss they roll back with the sequence, and Discord repeats them', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const seen: unknown[] = [];
  const synchronous = (): unknown => store.connection.sqlite.prepare('PRAGMA synchronous').get()?.synchronous;
  const dispatch = dispatchFor(store, {
    MESSAGE_CREATE: (_, { transaction }) => transaction(() => void seen.push(synchronous())),
  });
  await dispatch.dispatch(message(1, 'x'));
  assert.deepEqual(seen, [1]);
});
