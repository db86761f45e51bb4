import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Connection } from '../../../../src/gateway/store/connection.ts';
import { migrate } from '../../../../src/gateway/store/migrations.ts';
import { MIGRATIONS } from '../../../../src/gateway/store/schema.ts';
import { asWallTime } from '../../../../src/time.ts';
import { noFaults, openTestStore, silent, temporaryFolder } from '../../../support/store.ts';

const identity = (key: string, retentionMs = 1_000) => ({ key, guildId: '1', bodyHash: 'hash', retentionMs });

test('steps, the response and the completion are stored under their identity', async () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  const one = identity('interaction:1', 3_600_000);
  {
    using store = openTestStore(path);
    const { ledger, connection } = store;
    assert.equal(ledger.find(one.key), null);
    const memo = ledger.memo(one);
    connection.transaction('full', () => memo.write(0, '"zero"'));
    connection.transaction('full', () => memo.write(1, '"one"'));
    assert.deepEqual(ledger.find(one.key), { bodyHash: 'hash', response: null, completed: false });
    ledger.recordResponse(one, '{"status":200}');
    ledger.recordResponse(one, '{"status":500}');
  }
  using store = openTestStore(path);
  const memo = store.ledger.memo(one);
  assert.deepEqual([memo.read(0), memo.read(1), memo.read(2)], ['"zero"', '"one"', undefined]);
  assert.deepEqual(store.ledger.find(one.key), { bodyHash: 'hash', response: '{"status":200}', completed: false });
  await store.ledger.recordCompletion(one);
  assert.equal(store.ledger.find(one.key)?.completed, true);
  assert.deepEqual(
    store.ledger.count(),
    // The response is in the row of the first step.
    [{ kind: 'interaction', identities: 1, rows: 3 }].map((row) => ({ __proto__: null, ...row })),
  );
});

test('a response whose first step has expired gets its own row', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const one = identity('interaction:1', 3_600_000);
  store.ledger.recordResponse(one, '{"status":200}');
  assert.equal(store.ledger.find(one.key)?.response, '{"status":200}');
  assert.throws(() => store.ledger.recordResponse(identity('interaction:2'), 'x'.repeat(300_000)), /keep it below/);
});

test('a step that is rolled back with its transaction is not recorded', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const memo = store.ledger.memo(identity('interaction:1'));
  assert.throws(() =>
    store.connection.transaction('full', () => {
      memo.write(0, '1');
      throw new Error('no');
    }),
  );
  assert.equal(memo.read(0), undefined);
});

test('expired rows are deleted in steps; the rest stays', () => {
  using folder = temporaryFolder();
  let now = 0;
  using store = openTestStore(folder.file('pod'), { now: () => asWallTime(now) });
  const { ledger, connection } = store;
  for (let i = 0; i < 10; i++)
    connection.transaction('full', () => ledger.memo(identity(`interaction:${i}`)).write(0, '1'));
  connection.transaction('full', () => ledger.memo(identity('stripe:evt', 5_000)).write(0, '1'));
  assert.equal(ledger.prune(4), 0);
  now = 1_500;
  assert.deepEqual([ledger.prune(4), ledger.prune(4), ledger.prune(4), ledger.prune(4)], [4, 4, 2, 0]);
  assert.equal(ledger.find('interaction:3'), null);
  assert.notEqual(ledger.find('stripe:evt'), null);
});

test('an oversized result is refused before anything is written', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const memo = store.ledger.memo(identity('interaction:1'));
  assert.throws(() => store.connection.transaction('full', () => memo.write(0, 'x'.repeat(300_000))), /keep it below/);
  assert.equal(store.ledger.find('interaction:1'), null);
});

test('rows of an earlier version get the guild from their key', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  {
    const connection = new Connection(path, noFaults);
    migrate(connection, 'guildway', MIGRATIONS.slice(0, 5), silent);
    connection.sqlite.exec(`INSERT INTO guildway_ledger (identity, step, body_hash, value, expires_at)
      VALUES ('key:77:hash', 0, '', '1', 9e15), ('key::hash', 0, '', '1', 9e15), ('stripe:evt', 0, '', '1', 9e15)`);
    connection.close();
  }
  using store = openTestStore(path);
  const rows = store.connection.sqlite.prepare('SELECT guild_id AS guild FROM guildway_ledger ORDER BY identity').all();
  assert.deepEqual(
    rows.map(({ guild }) => guild),
    ['77', '', null],
  );
});
