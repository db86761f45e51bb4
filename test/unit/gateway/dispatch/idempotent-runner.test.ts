import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { REST } from '@discordjs/rest';
import fc from 'fast-check';
import { errorCode } from '../../../../src/errors.ts';
import { HandlerContext, type Host } from '../../../../src/gateway/dispatch/context.ts';
import { type Execution, IdempotentRunner } from '../../../../src/gateway/dispatch/idempotent-runner.ts';
import { json } from '../../../../src/gateway/dispatch/responses.ts';
import { readFaults } from '../../../../src/gateway/faults.ts';
import type { Identity, StepMemo } from '../../../../src/gateway/store/ledger.ts';
import { monotonicNow } from '../../../../src/time.ts';
import { noFaults, notesOf, openTestStore, silent, temporaryFolder } from '../../../support/store.ts';

type Store = ReturnType<typeof openTestStore>;

const identity = (key: string, bodyHash = 'body'): Identity => ({
  key,
  guildId: '1',
  bodyHash,
  retentionMs: 3_600_000,
});

/** The rest of a pod after a restart: its database. */
function newProcess(
  store: Store,
  faults = noFaults,
): { once: IdempotentRunner; context: (memo: StepMemo) => HandlerContext } {
  const host: Host = { pod: 0, store, rest: null as unknown as REST, owns: () => true, log: silent };
  return {
    once: new IdempotentRunner({ ledger: store.ledger, faults, log: silent }),
    context: (memo) =>
      new HandlerContext(host, {
        guildId: '1',
        requestId: 'r',
        durability: 'full',
        memo,
        deadlineAt: monotonicNow(),
        signal: () => new AbortController().signal,
      }),
  };
}

/** A handler that writes each text in a separate transaction and returns the number of its calls. */
function noting(pod: ReturnType<typeof newProcess>, texts: readonly string[], counter = { calls: 0 }) {
  return async (memo: StepMemo): Promise<Execution> => {
    counter.calls++;
    const context = pod.context(memo);
    const lengths = texts.map((text) =>
      context.transaction((db) => {
        db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', '1', text);
        return db.get<{ n: number }>('SELECT COUNT(*) AS n FROM notes')?.n;
      }),
    );
    return { response: json(200, { lengths, call: counter.calls }), final: true };
  };
}

const bodyOf = ({ response }: Execution): unknown => JSON.parse(response.body.toString());

test('the second delivery gets the stored response and has no effect, in this process and in the next', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const counter = { calls: 0 };
  const answers = [];
  for (const pod of [newProcess(store), newProcess(store)]) {
    for (let i = 0; i < 2; i++)
      answers.push(await pod.once.run(identity('interaction:1'), noting(pod, ['a', 'b'], counter)));
  }
  assert.deepEqual(
    answers.map(({ replayed }) => replayed),
    [false, true, true, true],
  );
  for (const answer of answers) assert.deepEqual(bodyOf(answer), { lengths: [1, 2], call: 1 });
  assert.deepEqual(notesOf(store), ['a', 'b']);
});

test('after a crash between two transactions the first is not repeated, and the second is executed', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const first = newProcess(store);
  await assert.rejects(
    first.once.run(identity('interaction:1'), async (memo) => {
      await noting(first, ['a'])(memo);
      throw new Error('killed');
    }),
  );
  const second = newProcess(store);
  const answer = await second.once.run(identity('interaction:1'), noting(second, ['a', 'b']));
  assert.deepEqual(bodyOf(answer), { lengths: [1, 2], call: 1 });
  assert.equal(answer.replayed, false);
  assert.deepEqual(notesOf(store), ['a', 'b']);
});

test('two deliveries at the same time are one execution', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const pod = newProcess(store);
  const gate = Promise.withResolvers<void>();
  const counter = { calls: 0 };
  const slow = async (memo: StepMemo): Promise<Execution> => {
    await gate.promise;
    return noting(pod, ['a'], counter)(memo);
  };
  const both = [pod.once.run(identity('interaction:1'), slow), pod.once.run(identity('interaction:1'), slow)];
  await turn();
  assert.equal(pod.once.running, 1);
  gate.resolve();
  const [one, other] = await Promise.all(both);
  assert.deepEqual(bodyOf(one as Execution), bodyOf(other as Execution));
  assert.equal(counter.calls, 1);
  assert.equal(pod.once.running, 0);
});

test('a different body under the same identity is refused: while it runs, from memory, and from disk', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const pod = newProcess(store);
  const reused = (error: unknown) => errorCode(error) === 'IDENTITY_REUSED';
  const gate = Promise.withResolvers<void>();
  const running = pod.once.run(identity('interaction:1'), async (memo) => {
    await gate.promise;
    return noting(pod, ['a'])(memo);
  });
  const other = noting(pod, ['other']);
  await assert.rejects(pod.once.run(identity('interaction:1', 'other'), other), reused);
  gate.resolve();
  await running;
  await assert.rejects(pod.once.run(identity('interaction:1', 'other'), other), reused);
  const next = newProcess(store);
  await assert.rejects(next.once.run(identity('interaction:1', 'other'), noting(next, ['other'])), reused);
  assert.deepEqual(notesOf(store), ['a']);
});

test('a read-only handler writes nothing, and its repetition gets the same response', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const pod = newProcess(store);
  let calls = 0;
  const reading = async (): Promise<Execution> => ({ response: json(200, { calls: ++calls }), final: true });
  const before = store.ledger.count();
  for (let i = 0; i < 3; i++)
    assert.deepEqual(bodyOf(await pod.once.run(identity('interaction:1'), reading)), { calls: 1 });
  assert.deepEqual(store.ledger.count(), before);
  await assert.rejects(
    pod.once.run(identity('interaction:1', 'other'), reading),
    (error: unknown) => errorCode(error) === 'IDENTITY_REUSED',
  );
});

test('a failed handler runs again on top of its recorded steps', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const pod = newProcess(store);
  const failed = await pod.once.run(identity('interaction:1'), async (memo) => {
    await noting(pod, ['a'])(memo);
    return { response: json(500, 'no'), final: false };
  });
  assert.equal(failed.response.status, 500);
  const answer = await pod.once.run(identity('interaction:1'), noting(pod, ['a', 'b']));
  assert.deepEqual([answer.response.status, answer.replayed], [200, false]);
  assert.deepEqual(notesOf(store), ['a', 'b']);
});

test('a handler sees the same result at the first execution and when it is repeated', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  for (const result of [undefined, null, 0, '', 'text', [1, { deep: [null] }], new Date(0), { gone: undefined }]) {
    const id = identity(`interaction:${JSON.stringify(result)}`);
    const seen: unknown[] = [];
    for (const pod of [newProcess(store), newProcess(store)]) {
      const context = pod.context(store.ledger.memo(id));
      seen.push(context.transaction(() => result));
    }
    assert.deepEqual(seen[0], seen[1]);
    assert.deepEqual(seen[0], result === undefined ? undefined : JSON.parse(JSON.stringify(result)));
  }
});

test('asynchronous work, or a result that JSON cannot hold, is rejected and writes nothing', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const context = newProcess(store).context(store.ledger.memo(identity('interaction:1')));
  const insert = 'INSERT INTO notes (guild_id, text) VALUES (?, ?)';
  assert.throws(
    () =>
      context.transaction(async (db) => {
        db.run(insert, '1', 'early');
      }),
    /must be synchronous/,
  );
  const circle: unknown[] = [];
  circle.push(circle);
  assert.throws(() => context.transaction((db) => [db.run(insert, '1', 'round'), circle]), /circular/);
  assert.deepEqual(notesOf(store), []);
});

test('without the ledger, a request delivered twice is executed twice', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const pod = newProcess(store, readFaults({ NODE_ENV: 'test', GUILDWAY_TEST_FAULT: 'no-ledger' }));
  for (let i = 0; i < 2; i++) await pod.once.run(identity('interaction:1'), noting(pod, ['a']));
  assert.deepEqual(notesOf(store), ['a', 'a']);
});

// Deliveries of a few identities in any order, to a pod that is restarted or killed inside a handler at any moment.
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('deliver' as const), id: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('killed' as const), id: fc.nat(3), after: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

test('for any deliveries and crashes, each transaction is applied exactly once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      using folder = temporaryFolder();
      using store = openTestStore(folder.file('pod'));
      let pod = newProcess(store);
      const texts = (id: number): string[] => [0, 1, 2].map((k) => `${id}/${k}`);
      const done = new Map<number, string>();
      const started = new Map<number, number>();
      for (const now of steps) {
        if (now.kind === 'restart') pod = newProcess(store);
        if (now.kind === 'deliver') {
          const answer = await pod.once.run(identity(`interaction:${now.id}`), noting(pod, texts(now.id)));
          const body = JSON.stringify((bodyOf(answer) as { lengths: number[] }).lengths);
          assert.equal(body, done.get(now.id) ?? body, 'the same answer every time');
          done.set(now.id, body);
        }
        if (now.kind === 'killed') {
          await pod.once
            .run(identity(`interaction:${now.id}`), async (memo) => {
              await noting(pod, texts(now.id).slice(0, now.after))(memo);
              throw new Error('killed');
            })
            .catch(() => {});
          started.set(now.id, Math.max(started.get(now.id) ?? 0, now.after));
          pod = newProcess(store);
        }
      }
      const expected = [0, 1, 2, 3].flatMap((id) => texts(id).slice(0, done.has(id) ? 3 : (started.get(id) ?? 0)));
      assert.deepEqual(notesOf(store).toSorted(), expected.toSorted());
    }),
    { numRuns: 60 },
  );
});

test('a recorded response is not repeated before its own commit', async () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  // The second knows the execution only from the ledger, like one whose table of executions is full.
  const [one, two] = [newProcess(store), newProcess(store)];
  const executed = one.once.run(identity('interaction:1'), noting(one, ['x']));
  while (store.ledger.find('interaction:1')?.response == null) await Promise.resolve();
  assert.notEqual(store.connection.pending, null, 'recorded, and not committed');
  const { replayed } = await two.once.run(identity('interaction:1'), () => assert.fail('it runs twice'));
  assert.deepEqual([replayed, store.connection.pending], [true, null]);
  await executed;
});
