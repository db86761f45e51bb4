// Of src/gateway/store/moving/{import,leftovers,move-errors,moved-tables,moving-records,part-of-copy,row-digest,schema}.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, errorCode } from '../../../../../src/errors.ts';
import { ChunkReader } from '../../../../../src/gateway/store/moving/chunks.ts';
import { compress } from '../../../../../src/gateway/store/moving/set-aside.ts';
import type { Store } from '../../../../../src/gateway/store/store.ts';
import { applyWrites, type Write } from '../../../../../src/moving/state.ts';
import { asWallTime } from '../../../../../src/time.ts';
import { move, nothingMoved, openPod, recordOf, records } from '../../../../support/moving.ts';
import { NOTES, notesOf, temporaryFolder } from '../../../../support/store.ts';

const bot = { tables: ['notes'], migrations: [NOTES] };
const A = '1000000000000000001';
const B = '1000000000000000002';
const C = '1000000000000000003';

const note = (store: Store, guildId: string, text: string): void =>
  void store.botDatabases.full.run('INSERT INTO notes VALUES (?, ?)', guildId, text);

const throws = (code: ErrorCode, message: RegExp, work: () => unknown): void =>
  assert.throws(work, (error) => errorCode(error) === code && message.test(String(error)), String(message));

function rowsOf(store: Store, table: string): unknown[] {
  const statement = store.connection.sqlite.prepare(`SELECT * FROM ${table}`);
  return statement.all().map((row) => ({ ...row }));
}

test("Guildway's own data about a guild moves with its rows; other guilds are unaffected", async () => {
  using folder = temporaryFolder();
  using from = openPod(folder.file('0'), 0, bot);
  using to = openPod(folder.file('1'), 1, bot);
  for (const store of [from, to]) {
    store.sessions.write(0, { sessionId: 's', sequence: 1, resumeUrl: 'wss://x', shardCount: 1 });
  }
  for (const guildId of [A, B]) {
    note(from, guildId, `of ${guildId}`);
    from.connection.transaction('full', () => {
      const identity = { key: `interaction:${guildId}`, guildId, bodyHash: 'hash', retentionMs: 60_000 };
      from.ledger.memo(identity).write(0, '"done"');
      from.sessions.memo('s', Number(guildId.at(-1)) + 1, guildId).write(0, '"seen"');
      from.jobs.add({ guildId, name: 'remind', key: 'k', payload: guildId, dueAt: asWallTime(1) }, null);
    });
    await from.hints.put({
      ...{ identity: `interaction:hint ${guildId}`, guildId, target: '/', headers: [], body: Buffer.from('body') },
      ...{ bodyHash: 'hash', deferred: 5, uncertain: false, lifeMs: 60_000 },
    });
  }
  from.sessions.writeGuilds(0, new Set([A, B]));

  move(from, to, [A]);

  assert.deepEqual(notesOf(to), [`of ${A}`]);
  assert.deepEqual(notesOf(from), [`of ${B}`]);
  assert.equal(to.ledger.find(`interaction:${A}`)?.bodyHash, 'hash');
  assert.equal(from.ledger.find(`interaction:${A}`), null);
  assert.notEqual(from.ledger.find(`interaction:${B}`), null);
  assert.equal(to.sessions.memo('s', 2, A).read(0), '"seen"');
  assert.equal(from.sessions.memo('s', 2, A).read(0), undefined);
  assert.equal(from.sessions.memo('s', 3, B).read(0), '"seen"');
  const jobs = ({ jobs }: Store) => jobs.due(asWallTime(2), 9, new Set()).map(({ payload, key }) => [payload, key]);
  assert.deepEqual([jobs(to), jobs(from)], [[[A, 'k']], [[B, 'k']]]);
  // The pod that stored a request delivers it.
  assert.deepEqual(
    from.hints.list().map(({ guildId }) => guildId),
    [A, B],
  );
  assert.deepEqual([to.hints.count, from.hints.count, to.hints.bytes], [0, 2, 0]);
  assert.deepEqual([to.sessions.readGuilds(0), from.sessions.readGuilds(0)], [[A], [B]]);
  assert.deepEqual(to.mover.records.read(A), recordOf('arriving'));
  assert.equal(from.mover.records.read(A)?.state, 'moved');
  assert.equal(from.mover.records.read(B), null);
});

test('the state of the move protocol is stored and read back', () => {
  using folder = temporaryFolder();
  const path = folder.file('0');
  const state = nothingMoved();
  const commit = (store: Store, writes: Write[]): void => {
    store.mover.records.write(state, writes);
    applyWrites(state, writes);
  };
  const record = (guild: string, of: Parameters<typeof recordOf>[0], epoch = 1): Write => ({
    kind: 'record',
    guild,
    record: recordOf(of, epoch),
  });
  const topology = { strategy: 'md5', pods: 5, shards: null, epoch: 2 } as const;
  const steps: Write[][] = [
    [record(A, 'arriving'), record(B, 'moved', 2)],
    [record(A, 'here'), { kind: 'chain', chain: [...state.chain, topology] }],
    [record(C, 'awaiting'), { kind: 'done', pod: 2, epoch: 2 }],
    [
      { kind: 'done', pod: 0, epoch: 1 },
      { kind: 'done', pod: 0, epoch: 2 },
      { kind: 'recovering', pods: [1, 2, 3] },
    ],
    [
      { kind: 'heard', pod: 2 },
      { kind: 'forget', guild: C },
    ],
    [{ kind: 'settled', epoch: 1, completeTo: 1 }],
  ];
  for (const writes of steps) {
    {
      using store = openPod(path, 0, bot);
      commit(store, writes);
    }
    using store = openPod(path, 0, bot);
    assert.deepEqual(store.mover.records.load(nothingMoved()), state);
  }
  assert.deepEqual([...state.records.keys()], [B]);
  assert.deepEqual(state.done.get(0), new Set([2]));
});

test('a copy is one snapshot in bounded chunks, and includes pending writes', async () => {
  using folder = temporaryFolder();
  using store = openPod(folder.file('0'), 0, bot);
  for (let i = 0; i < 40; i++) note(store, A, `${i} `.padEnd(20_000, 'x'));
  const chunks: Buffer[] = [];
  for (const chunk of store.mover.exportGuilds([A])) {
    note(store, A, 'written while the copy is made');
    await new Promise((resolve) => setImmediate(resolve));
    chunks.push(chunk);
  }
  using other = openPod(folder.file('1'), 1, bot);
  assert.equal(other.mover.importGuilds(chunks, records('here', [A])).rows, 40);
  assert.ok(chunks.length > 4);
  for (const chunk of chunks) assert.ok(chunk.length < 256 * 1024 + 20_100, `${chunk.length} bytes`);
});

test('rows that change after the copy keep their guild here, no matter which handler changed them', () => {
  using folder = temporaryFolder();
  using from = openPod(folder.file('0'), 0, bot);
  for (const text of ['one', 'two']) note(from, A, text);
  for (const change of [
    "UPDATE notes SET text = 'three' WHERE text = 'two'",
    "INSERT INTO notes VALUES ('1000000000000000001', 'more')",
    "DELETE FROM notes WHERE text = 'one'",
  ]) {
    const chunks = [...from.mover.exportGuilds([A])];
    from.botDatabases.full.run(change);
    const before = notesOf(from);
    throws('MOVE_OUTDATED', /have changed since the copy/, () =>
      from.mover.removeGuilds(chunks, records('moved', [A])),
    );
    assert.deepEqual(notesOf(from), before);
    assert.equal(from.mover.records.read(A), null);
    assert.deepEqual(from.mover.setAside.totals(), { guilds: 0, bytes: 0 });
  }
});

test('a damaged, truncated or mismatched copy is refused, and nothing of it stays', () => {
  using folder = temporaryFolder();
  using from = openPod(folder.file('0'), 0, bot);
  using to = openPod(folder.file('1'), 1, bot);
  for (let i = 0; i < 20; i++) note(from, A, `note ${i}`.padEnd(30_000, '.'));
  const chunks = [...from.mover.exportGuilds([A])];
  const rows = chunks.findIndex((chunk) => new ChunkReader(chunk).kind === 'rows');
  const flipped = Buffer.from(chunks[rows] as Buffer);
  flipped.writeUInt8((flipped.at(-5) as number) ^ 1, flipped.length - 5);
  const broken: [string, Uint8Array[]][] = [
    ['a changed byte', chunks.with(rows, flipped)],
    ['a chunk twice', chunks.toSpliced(rows, 0, chunks[rows] as Buffer)],
    ['a chunk missing', chunks.toSpliced(rows, 1)],
    ['without its end', chunks.slice(0, -1)],
    ['without its head', chunks.slice(1)],
    ['more after the end', [...chunks, chunks[rows] as Buffer]],
    ['a torn chunk', chunks.with(rows, (chunks[rows] as Buffer).subarray(0, 5_000))],
    ['an unknown chunk', chunks.with(rows, Buffer.from([77]))],
    ['nothing', []],
  ];
  for (const [what, copy] of broken) {
    assert.throws(
      () => to.mover.importGuilds(copy, records('arriving', [A])),
      (error) => errorCode(error) === 'MOVE_DAMAGED',
      what,
    );
    assert.deepEqual(notesOf(to), [], what);
  }
  throws('MOVE_DAMAGED', /guild 1000000000000000002 is missing/, () =>
    to.mover.importGuilds(chunks, records('arriving', [B])),
  );
  assert.deepEqual(to.mover.records.all(), new Map());
});

test('a copy replaces the rows of an earlier copy, but never those of a guild that is served here', () => {
  using folder = temporaryFolder();
  using from = openPod(folder.file('0'), 0, bot);
  using to = openPod(folder.file('1'), 1, bot);
  note(from, A, 'one');
  to.mover.importGuilds([...from.mover.exportGuilds([A])], records('arriving', [A]));
  note(from, A, 'two');
  const chunks = [...from.mover.exportGuilds([A])];
  to.mover.importGuilds(chunks, records('arriving', [A]));
  assert.deepEqual(notesOf(to), ['one', 'two']);
  to.mover.records.write(nothingMoved(), records('here', [A]).writes);
  for (const forget of [false, true]) {
    if (forget) to.mover.records.write(nothingMoved(), [{ kind: 'forget', guild: A }]);
    throws('MOVE_REFUSED', /has rows of guild 1000000000000000001 in notes: remove them first/, () =>
      to.mover.importGuilds(chunks, records('arriving', [A])),
    );
  }
  assert.deepEqual(notesOf(to), ['one', 'two']);
  to.mover.discardGuilds([A], records('here', []));
  assert.deepEqual(notesOf(to), []);
});

test('rows of guilds that turn out to belong to another pod are removed, however their record ends', () => {
  const ends: Record<string, Write[]> = {
    forget: [{ kind: 'forget', guild: A }],
    settled: [{ kind: 'settled', epoch: 1, completeTo: 1 }],
    moved: [{ kind: 'record', guild: A, record: recordOf('moved') }],
  };
  for (const [name, writes] of Object.entries(ends)) {
    using folder = temporaryFolder();
    using from = openPod(folder.file('0'), 0, bot);
    using to = openPod(folder.file('1'), 1, bot);
    for (const store of [from, to]) note(store, store === from ? A : B, 'a note');
    to.mover.importGuilds([...from.mover.exportGuilds([A])], records('arriving', [A]));
    to.mover.records.write(nothingMoved(), writes);
    while (to.mover.removeLeftovers(10) > 0);
    assert.deepEqual(rowsOf(to, 'notes'), [{ guild_id: B, text: 'a note' }], name);
  }
});

test('a step may import only some guilds of a copy', () => {
  using folder = temporaryFolder();
  const migrations = [NOTES, 'CREATE TABLE cases (id INTEGER PRIMARY KEY, guild_id TEXT)'];
  const counted = { tables: ['notes', 'cases'], migrations };
  using from = openPod(folder.file('0'), 0, counted);
  using to = openPod(folder.file('1'), 1, counted);
  for (const guildId of [A, B, C]) {
    note(from, guildId, `of ${guildId}`);
    from.botDatabases.full.run('INSERT INTO cases (guild_id) VALUES (?)', guildId);
  }
  const chunks = [...from.mover.exportGuilds([A, B, C])];
  assert.equal(to.mover.importGuilds(chunks, records('arriving', [C, A])).rows, 4);
  assert.deepEqual(notesOf(to), [`of ${A}`, `of ${C}`]);
  note(from, B, 'written to, and so not to be given away');
  throws('MOVE_OUTDATED', /have changed/, () => from.mover.removeGuilds(chunks, records('moved', [A, B])));
  from.mover.removeGuilds(chunks, records('moved', [A, C]));
  assert.equal(notesOf(from).length, 2);
  assert.deepEqual([...from.mover.records.all().keys()], [A, C]);
  assert.equal(from.mover.setAside.totals().guilds, 2);
});

test('pods with different schemas exchange no guild, and the error names the difference', () => {
  using folder = temporaryFolder();
  using from = openPod(folder.file('0'), 0, { ...bot, migrations: [NOTES, 'ALTER TABLE notes ADD COLUMN mood TEXT'] });
  from.botDatabases.full.run("INSERT INTO notes VALUES (?, 'x', 'good')", A);
  const chunks = [...from.mover.exportGuilds([A])];
  const cases: [string, string[], RegExp][] = [
    ['1', [NOTES], /the column notes\.mood exists there but not here.*2 there, 1 here/],
    ['2', [NOTES, 'ALTER TABLE notes ADD COLUMN mood INTEGER'], /notes\.mood is TEXT there and INTEGER here/],
    [
      '3',
      [NOTES, 'ALTER TABLE notes ADD COLUMN mood TEXT', 'ALTER TABLE notes ADD COLUMN more TEXT'],
      /notes\.more exists here/,
    ],
    [
      '4',
      [NOTES, 'ALTER TABLE notes ADD COLUMN mood TEXT;', 'UPDATE notes SET mood = upper(mood)'],
      /migrations of the bot differ.*3 here/,
    ],
  ];
  for (const [file, migrations, message] of cases) {
    using to = openPod(folder.file(file), 1, { ...bot, migrations });
    throws('MOVE_REFUSED', message, () => to.mover.importGuilds(chunks, records('arriving', [A])));
    assert.deepEqual(notesOf(to), []);
  }
});

test('a batch of guilds needs as many transactions as one guild', () => {
  using folder = temporaryFolder();
  using from = openPod(folder.file('0'), 0, bot);
  using to = openPod(folder.file('1'), 1, bot);
  const guildIds = Array.from({ length: 500 }, (_, i) => String(2_000_000_000_000_000_000n + BigInt(i)));
  from.connection.transaction('full', () => {
    const statement = from.connection.sqlite.prepare('INSERT INTO notes VALUES (?, ?)');
    for (const guildId of guildIds) statement.run(guildId, 'a note');
  });
  const commits = (store: Store, work: () => void): number => {
    let count = 0;
    const { connection } = store;
    const transaction = connection.transaction;
    connection.transaction = (...parameters) => {
      count++;
      return transaction.apply(connection, parameters) as never;
    };
    work();
    connection.transaction = transaction;
    return count;
  };
  const chunks = [...from.mover.exportGuilds(guildIds)];
  const counts = [
    commits(to, () => to.mover.importGuilds(chunks, records('arriving', guildIds))),
    commits(from, () => from.mover.removeGuilds(chunks, records('moved', guildIds))),
  ];
  assert.deepEqual(counts, [1, 1]);
  assert.equal(rowsOf(to, 'notes').length, 500);
});

test('a given-away guild can be fetched again by its version while its copy is kept', () => {
  using folder = temporaryFolder();
  let now = 1_000_000;
  using from = openPod(folder.file('0'), 0, bot, { now: () => asWallTime(now) });
  using lost = openPod(folder.file('1'), 1, bot);
  note(from, A, 'one');
  note(from, B, 'two');
  move(from, lost, [A, B]);
  using restored = openPod(folder.file('2'), 1, bot);
  const { setAside } = from.mover;
  const fetch = (...guilds: [string, number][]) => [
    ...from.mover.exportSetAside(guilds.map(([guildId, epoch]) => ({ guildId, epoch }))),
  ];
  assert.deepEqual(fetch([A, 2]), []);
  for (const [copy] of [fetch([B, 1], [C, 1]), fetch([A, 1])]) {
    assert.ok(copy !== undefined);
    restored.mover.importGuilds(copy.chunks, records('here', copy.guildIds));
  }
  assert.deepEqual(notesOf(restored), ['two', 'one']);
  assert.deepEqual(
    fetch([A, 1], [B, 1]).map(({ guildIds }) => guildIds),
    [[A, B]],
  );

  setAside.prune(5_000, 100);
  assert.notEqual(setAside.find(B, 1), null);
  now += 5_001;
  const unfinished = setAside.begin();
  from.connection.transaction('full', () => setAside.add(unfinished, 0, [compress(Buffer.from('part'))]));
  assert.ok(setAside.prune(5_000, 100) > 0);
  assert.deepEqual(fetch([A, 1]), []);
  assert.notEqual(setAside.totals().bytes, 0, 'a copy that is being made stays');
  setAside.drop(unfinished);
  setAside.prune(5_000, 100);
  assert.deepEqual(setAside.totals(), { guilds: 0, bytes: 0 });
});
