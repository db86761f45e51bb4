import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestStore, temporaryFolder } from '../../../support/store.ts';

const session = (sessionId: string, sequence: number) => ({
  sessionId,
  sequence,
  resumeUrl: 'wss://gateway.example',
  shardCount: 4,
});

test('a session is restored after a restart', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  {
    using store = openTestStore(path);
    assert.equal(store.sessions.read(2), null);
    store.sessions.write(2, session('a', 10));
    store.sessions.write(2, session('a', 12));
    store.sessions.write(3, session('b', 1));
    store.sessions.clear(3);
  }
  using store = openTestStore(path);
  assert.deepEqual(store.sessions.read(2), { ...session('a', 12), failedResumes: 0 });
  assert.equal(store.sessions.read(3), null);
});

test('an event is remembered until the stored sequence has passed it', () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  const steps = (store: ReturnType<typeof openTestStore>, id = 'a') =>
    [10, 11, 12, 13].filter((sequence) => store.sessions.memo(id, sequence, '1').read(0) !== undefined);
  const remember = (store: ReturnType<typeof openTestStore>, id: string) => {
    for (const sequence of [10, 11, 12, 13]) {
      store.connection.transaction('normal', () => store.sessions.memo(id, sequence, '1').write(0, `"${sequence}"`));
    }
  };
  {
    using store = openTestStore(path);
    store.sessions.write(0, session('a', 9));
    remember(store, 'a');
    remember(store, 'never stored');
    assert.deepEqual(steps(store), [10, 11, 12, 13]);
    store.sessions.write(0, session('a', 11));
    assert.deepEqual(steps(store), [12, 13]);
  }
  {
    using store = openTestStore(path);
    assert.deepEqual(steps(store), [12, 13], 'the process ended; Discord sends 12 and 13 again');
    assert.deepEqual(steps(store, 'never stored'), [], 'it cannot be resumed');
    store.sessions.write(0, session('b', 1));
    assert.deepEqual(steps(store), [], 'another session has taken its place');
    remember(store, 'b');
    store.sessions.clear(0);
    assert.deepEqual(steps(store, 'b'), []);
  }
});

test("the guilds of a shard's session are stored and deleted with it", () => {
  using folder = temporaryFolder();
  const path = folder.file('pod');
  const guildsOf = (store: ReturnType<typeof openTestStore>, shard: number) => store.sessions.readGuilds(shard).sort();
  {
    using store = openTestStore(path);
    for (const shard of [0, 1]) store.sessions.write(shard, session(`of shard ${shard}`, 1));
    store.sessions.writeGuilds(0, new Set(['1', '2', '3']));
    store.sessions.writeGuilds(1, new Set(['4']));
    store.sessions.writeGuilds(0, new Set(['2', '3', '5']));
  }
  using store = openTestStore(path);
  assert.deepEqual([guildsOf(store, 0), guildsOf(store, 1), guildsOf(store, 2)], [['2', '3', '5'], ['4'], []]);
  store.sessions.clear(0);
  assert.deepEqual([guildsOf(store, 0), guildsOf(store, 1)], [[], ['4']]);
});
