// A Discord that deviates from its documentation. The real library, and a scripted gateway.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StoredSession } from '../../../../src/gateway/discord-seam.ts';
import { isReady, MemorySessions, startDiscordPod } from '../../../support/discord-pod.ts';
import {
  type GatewayScript,
  type ScriptedConnection,
  startScriptedGateway,
} from '../../../support/scripted-gateway.ts';
import { until } from '../../../support/wait.ts';

/** Long enough for a response on a busy machine. */
const timing = { resumeMs: 700, helloMs: 700, readyMs: 700, backoffBaseMs: 20 };
const HELLO = { op: 10, d: { heartbeat_interval: 5_000 } };

/** The state of an earlier process: a session at its seventh event. */
function keptSession(resumeUrl: string, failedResumes = 0): MemorySessions {
  const store = new MemorySessions();
  const session: StoredSession = { sessionId: 'of an earlier process', sequence: 7, resumeUrl, shardCount: 1 };
  store.rows.set(0, session);
  store.failedResumes.set(0, failedResumes);
  return store;
}

/** A pod that finds a session, at a gateway with this script. */
async function startWithSession(script: GatewayScript, failedResumes = 0) {
  const gateway = await startScriptedGateway(script);
  const store = keptSession(gateway.resumeUrl, failedResumes);
  const pod = await startDiscordPod(gateway.discord, { store, timing });
  return {
    ...{ gateway, store, pod, seen: gateway.seen },
    async [Symbol.asyncDispose]() {
      await pod[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
    },
  };
}

const answers: readonly [string, (connection: ScriptedConnection) => void, heartbeatMs?: number][] = [
  ['closes without a code', ({ socket }) => socket.close()],
  ['drops the socket', ({ socket }) => socket.terminate()],
  ['closes with a code that allows a resume', ({ socket }) => socket.close(4000)],
  ['closes with an unknown code', ({ socket }) => socket.close(4999)],
  ['sends nothing but heartbeats', () => {}, 40],
  ['asks to resume again, each time', (connection) => connection.send({ op: 9, d: true })],
  ['asks to reconnect, each time', (connection) => connection.send({ op: 7, d: null })],
  ['repeats an old event and is silent then', (connection) => connection.event(5)],
  ['sends what is no JSON', ({ socket }) => socket.send('{"op":')],
];

describe('a resume that Discord does not answer', { concurrency: true }, () => {
  for (const [what, onResume, heartbeatMs] of answers) {
    test(`Discord ${what}: a new session after three tries`, async () => {
      await using it = await startWithSession({ onResume, ...(heartbeatMs === undefined ? {} : { heartbeatMs }) });
      await until('a new session', () => isReady(it.pod));
      assert.deepEqual([it.seen.identifies, it.seen.resumes], [1, 3]);
      await until('it is stored', () => it.store.rows.get(0)?.sessionId === 'session-1');
      assert.equal(it.store.read(0)?.failedResumes ?? 0, 0);
      assert.ok(it.pod.lines.some(({ text }) => text.includes('does not resume the session')));
    });
  }

  test('the attempts of earlier processes count', async () => {
    await using it = await startWithSession({ onResume: ({ socket }) => socket.terminate() }, 2);
    await until('a new session', () => isReady(it.pod));
    assert.deepEqual([it.seen.identifies, it.seen.resumes], [1, 1]);
  });

  test('a process that ends in between leaves the count behind', async () => {
    let answer = (connection: ScriptedConnection): void => connection.socket.terminate();
    await using it = await startWithSession({ onResume: (connection) => answer(connection) });
    await until('one has failed', () => it.seen.resumes === 1);
    answer = () => {};
    await until('that is stored', () => it.store.read(0)?.failedResumes === 1);
    assert.equal(it.store.rows.get(0)?.sessionId, 'of an earlier process');
  });

  test('an answered resume resets the count', async () => {
    await using it = await startWithSession(
      { onResume: ({ socket, resumed }, n) => (n === 1 ? socket.terminate() : resumed(8)) },
      1,
    );
    await until('it has resumed', () => isReady(it.pod));
    await until('that is stored', () => it.store.read(0)?.failedResumes === 0);
    assert.deepEqual([it.seen.identifies, it.seen.resumes], [0, 2]);
  });

  test('a resume that is answered by events continues, no matter how long RESUMED takes', async () => {
    await using it = await startWithSession({
      onResume({ event, resumed }) {
        let sequence = 7;
        const replay = setInterval(() => {
          event(++sequence);
          if (sequence < 27) return;
          clearInterval(replay);
          resumed(++sequence);
        }, 20);
      },
    });
    await until('it has resumed', () => isReady(it.pod));
    assert.deepEqual([it.seen.identifies, it.seen.resumes], [0, 1]);
    assert.equal(it.pod.contents().length, 20);
  });
});

describe('a session is kept', { concurrency: true }, () => {
  test('when the resume address sends no hello: the session resumes at the general one', async () => {
    await using it = await startWithSession({
      onOpen: (connection) => {
        if (!connection.atResumeUrl) connection.send(HELLO);
      },
    });
    await until('it has resumed', () => isReady(it.pod));
    assert.deepEqual([it.seen.identifies, it.seen.resumes, it.seen.opened], [0, 1, 2]);
  });

  test('when the resume address closes before its hello, even with a code that ends sessions', async () => {
    await using it = await startWithSession({
      onOpen: (connection) => {
        if (connection.atResumeUrl) connection.socket.close(1000);
        else connection.send(HELLO);
      },
    });
    await until('it has resumed', () => isReady(it.pod));
    assert.deepEqual([it.seen.identifies, it.seen.resumes], [0, 1]);
  });

  for (const code of [4001, 4002, 4008, 4009]) {
    test(`when Discord closes with ${code}`, async () => {
      await using it = await startWithSession({
        onResume({ resumed, socket }, n) {
          resumed(8);
          if (n === 1) socket.close(code);
        },
      });
      await until('it has resumed again', () => it.seen.resumes === 2 && isReady(it.pod));
      assert.equal(it.seen.identifies, 0);
    });
  }

  test('when Discord fails at the start', async () => {
    await using it = await startWithSession({
      onGatewayBot: (n) => (n <= 4 ? { status: 502 } : null),
    });
    await until('it says why', () => it.pod.sessions.readiness().reasons.join().includes('cannot start sessions'));
    await until('it has resumed', () => isReady(it.pod));
    assert.deepEqual([it.seen.identifies, it.seen.resumes], [0, 1]);
  });
});

test('a rejected token is reported once with the remedy, and retried after a while: Discord may be wrong', async () => {
  await using gateway = await startScriptedGateway({ onGatewayBot: (n) => (n <= 3 ? { status: 401 } : null) });
  await using pod = await startDiscordPod(gateway.discord, { timing: { ...timing, refusedTokenMs: 100 } });
  await until('it says so', () => pod.sessions.readiness().reasons.join().includes('DISCORD_TOKEN'));
  await until('it is ready', () => isReady(pod));
  const said = pod.lines.filter(({ level }) => level === 'fatal').map(({ text }) => text);
  assert.equal(said.length, 1);
  assert.match(said[0] ?? '', /developer portal.*DISCORD_TOKEN/);
});

describe('identifying', { concurrency: true }, () => {
  const attempts: readonly [string, GatewayScript][] = [
    ['READY does not come', { onIdentify: ({ ready }, n) => (n > 2 ? ready() : undefined) }],
    ['the session is invalid', { onIdentify: ({ ready, send }, n) => (n > 2 ? ready() : send({ op: 9, d: false })) }],
    [
      'the session is invalid, and resumable',
      { onIdentify: ({ ready, send }, n) => (n > 2 ? ready() : send({ op: 9, d: true })) },
    ],
    ['the connection is dropped', { onIdentify: ({ ready, socket }, n) => (n > 2 ? ready() : socket.terminate()) }],
  ];
  for (const [what, script] of attempts) {
    test(`${what}: tried again after a pause, until there is a session`, async () => {
      await using gateway = await startScriptedGateway(script);
      const startedAt = performance.now();
      await using pod = await startDiscordPod(gateway.discord, { timing });
      await until('it is ready', () => isReady(pod));
      assert.equal(gateway.seen.identifies, 3);
      assert.ok(performance.now() - startedAt >= 2_000, 'a second at least before each further one');
    });
  }

  test('without a hello, a new connection is tried', async () => {
    await using gateway = await startScriptedGateway({ onOpen: ({ send }, n) => (n > 2 ? send(HELLO) : undefined) });
    await using pod = await startDiscordPod(gateway.discord, { timing });
    await until('it is ready', () => isReady(pod));
    assert.deepEqual([gateway.seen.opened, gateway.seen.identifies], [3, 1]);
  });

  test('a session that breaks immediately is resumed each time: Discord answers, so it is kept', async () => {
    await using gateway = await startScriptedGateway({
      onResume({ resumed, socket }, n) {
        resumed(1 + n);
        if (n < 5) socket.close(4000);
      },
      onIdentify({ ready, socket }) {
        ready();
        socket.close(4000);
      },
    });
    await using pod = await startDiscordPod(gateway.discord, { timing: { ...timing, backoffBaseMs: 1 } });
    await until('it lasts', () => gateway.seen.resumes === 5 && isReady(pod));
    assert.equal(gateway.seen.identifies, 1);
  });
});
