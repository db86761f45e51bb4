// What the rest of a pod is told about a guild that moves, and what its handlers may still write.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { REST } from '@discordjs/rest';
import { HandlerContext } from '../../../../src/gateway/dispatch/context.ts';
import { NO_MEMO } from '../../../../src/gateway/store/ledger.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { inMs } from '../../../../src/time.ts';
import { ownershipOf } from '../../../support/ownership.ts';
import { notesOf, openTestStore, silent, temporaryFolder } from '../../../support/store.ts';

const GUILD = '102860784329052160';
const moved = { state: 'moved', epoch: 2, to: 2, attempt: [1, 1], confirmed: false } as const;

test('requests for a guild that was given away wait until its new owner has heard of it', async () => {
  const ownership = ownershipOf(1, createTopology({ strategy: 'md5', pods: 3 }));
  assert.equal(ownership.decide(GUILD).kind, 'serve');
  ownership.commit({ writes: [{ kind: 'record', guild: GUILD, record: moved }], sends: [] });
  ownership.handOver([GUILD]);
  assert.equal(ownership.decide(GUILD).kind, 'wait');
  const { changed } = ownership;
  ownership.handedOver([GUILD]);
  await changed;
  assert.deepEqual(ownership.decide(GUILD), { kind: 'redirect', to: 2 });
});

test('a handler that outlives the move of its guild writes nothing, and reads on', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const ownership = ownershipOf(1, createTopology({ strategy: 'md5', pods: 3 }));
  const owns = (guildId: string): boolean => ownership.owns(guildId);
  const context = new HandlerContext(
    { pod: 1, store, rest: null as unknown as REST, owns, log: silent },
    {
      ...{ guildId: GUILD, requestId: 'r', durability: 'full', memo: NO_MEMO, deadlineAt: inMs(1_000) },
      signal: () => new AbortController().signal,
    },
  );
  const insert = 'INSERT INTO notes (guild_id, text) VALUES (?, ?)';
  context.transaction((db) => db.run(insert, GUILD, 'before'));
  ownership.commit({ writes: [{ kind: 'record', guild: GUILD, record: moved }], sends: [] });
  assert.throws(() => context.transaction(() => assert.fail('it ran')), { code: 'GUILD_MOVED' });
  assert.throws(() => context.db.run(insert, GUILD, 'after'), { code: 'GUILD_MOVED' });
  assert.deepEqual(context.db.all('SELECT text FROM notes').length, 1);
  assert.deepEqual(notesOf(store), ['before']);
});
