// For any tables of a bot, a moved guild is identical afterwards, and no other guild changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RowReader } from '../../../../../src/gateway/store/moving/export.ts';
import { compareGuilds } from '../../../../../src/gateway/store/moving/verify.ts';
import type { Store } from '../../../../../src/gateway/store/store.ts';
import type { GuildRecord } from '../../../../../src/moving/state.ts';
import { createTopology } from '../../../../../src/routing/topology.ts';
import { records as recordsOf } from '../../../../support/moving.ts';
import { fillRandomly, randomBot, randomFrom } from '../../../../support/random-schema.ts';
import { openTestStore, temporaryFolder } from '../../../../support/store.ts';

const topology = createTopology({ strategy: 'md5', pods: 2 });
const MOVED = ['1000000000000000001', '1000000000000000002'];
const STAYS = ['1000000000000000003'];
const OTHERS = ['9007199254740993123', '1000000000000000005'];

/** The guild of the rows that triggers write. */
const AUDITED = '1';

const records = (state: GuildRecord['state']) => recordsOf(state, MOVED);

/** Every row of a database, with its types. */
function dump(store: Store, guildIds: readonly string[]): string[] {
  const reader = new RowReader(store.connection.sqlite);
  return store.mover.tables.flatMap(({ name, selectRows }) =>
    [...reader.rows(selectRows, { guilds: JSON.stringify(guildIds), now: 0n })].map(
      (row) =>
        `${name} ${JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? `${value}n` : Object.is(value, -0) ? '-0' : value))}`,
    ),
  );
}

/** The guilds that have rows, found without the statements that move them. */
function guildsIn({ connection, mover }: Store): Set<string> {
  return new Set(
    mover.tables.flatMap(({ name, guildTable }) => {
      if (guildTable === null || !('column' in guildTable.guild)) return [];
      const statement = connection.sqlite.prepare(`SELECT "${guildTable.guild.column}" AS guild FROM "${name}"`);
      statement.setReadBigInts(true);
      return statement.all().map(({ guild }) => String(guild));
    }),
  );
}

test('a guild of any schema is identical after its move, and no other guild changes', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = randomFrom(seed);
      const { bot, tables } = randomBot(random);
      using folder = temporaryFolder();
      using from = openTestStore(folder.file('0'), { bot, topology });
      using to = openTestStore(folder.file('1'), { bot, topology, ordinal: 1 });
      using before = openTestStore(folder.file('copy'), { bot, topology });
      fillRandomly(from.connection.sqlite, tables, [...MOVED, ...STAYS], 20);
      fillRandomly(to.connection.sqlite, tables, OTHERS, 10);
      const dumps = () => [dump(from, [...STAYS, AUDITED]), dump(to, [...OTHERS, AUDITED])];
      const [untouched, moving] = [dumps(), dump(from, MOVED)];

      const chunks = [...from.mover.exportGuilds(MOVED)];
      before.mover.importGuilds(chunks, records('here'));
      const { renumbered } = to.mover.importGuilds(chunks, records('arriving'));
      from.mover.removeGuilds(chunks, records('moved'));

      const [one, other] = [before, to].map((store) => new RowReader(store.connection.sqlite)) as [
        RowReader,
        RowReader,
      ];
      assert.deepEqual(dump(before, MOVED), moving);
      assert.deepEqual(compareGuilds(one, other, { tables: to.mover.tables, guildIds: MOVED, renumbered }), []);
      assert.deepEqual(guildsIn(from).intersection(new Set(MOVED)), new Set());
      assert.deepEqual(dumps(), untouched);
      assert.equal(from.connection.sqlite.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok');
      assert.equal(to.connection.sqlite.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok');
      assert.deepEqual(to.connection.sqlite.prepare('PRAGMA foreign_key_check').all(), []);
    }),
    { numRuns: Number(process.env.MOVE_RUNS ?? 12) },
  );
});
