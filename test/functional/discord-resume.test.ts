// Case 59: Discord does not answer a RESUME. The real library, and a gateway that does as the test says.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { type WebSocket, WebSocketServer } from 'ws';
import type { DiscordSimulator } from '../../testkit/discord/index.ts';
import { isReady, MemorySessions, startDiscordPod } from '../support/discord-pod.ts';
import { until } from '../support/wait.ts';

/** A gateway that greets, starts sessions, and does with a resume what it is told. */
async function startGateway(onResume: (socket: WebSocket) => void) {
  const seen = { identifies: 0, resumes: 0 };
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    const isGateway = (request.url ?? '').endsWith('/gateway/bot');
    const session_start_limit = { total: 1_000, remaining: 1_000, reset_after: 1, max_concurrency: 16 };
    response.end(JSON.stringify(isGateway ? { url, shards: 1, session_start_limit } : []));
  });
  let closed = false;
  const sockets = new WebSocketServer({ server });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `ws://127.0.0.1:${port}`;
  sockets.on('connection', (socket) => {
    const send = (payload: object): void => socket.send(JSON.stringify(payload));
    if (closed) socket.terminate();
    // Long enough for a busy machine: an answer that is late would end the connection.
    send({ op: 10, d: { heartbeat_interval: 5_000 } });
    socket.on('message', (data) => {
      const { op } = JSON.parse(String(data)) as { op: number };
      if (op === 1) send({ op: 11 });
      if (op === 6) {
        seen.resumes++;
        onResume(socket);
      }
      if (op !== 2) return;
      seen.identifies++;
      const d = {
        ...{ v: 10, user: { id: '1' }, guilds: [], session_id: `session-${seen.identifies}`, resume_gateway_url: url },
        ...{ shard: [0, 1], application: { id: '1', flags: 0 } },
      };
      send({ op: 0, t: 'READY', s: 1, d });
    });
  });
  return {
    seen,
    url,
    discord: { token: 'token', applicationId: '1', apiUrl: `http://127.0.0.1:${port}` } as unknown as DiscordSimulator,
    async [Symbol.asyncDispose]() {
      closed = true;
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const answers: readonly [string, (socket: WebSocket) => void][] = [
  ['closes without a code', (socket) => socket.close()],
  ['drops the socket', (socket) => socket.terminate()],
  ['closes with a code that allows a resume', (socket) => socket.close(4000)],
  ['sends nothing but heartbeats', () => {}],
];

test('a resume that Discord does not answer: a new session after three tries, also of a session of an earlier process', {
  concurrency: true,
}, async (t) => {
  await Promise.all(
    answers.map(([what, onResume]) =>
      t.test(`Discord ${what}`, async () => {
        await using gateway = await startGateway(onResume);
        const store = new MemorySessions();
        store.rows.set(0, { sessionId: 'of an earlier process', sequence: 7, resumeUrl: gateway.url, shardCount: 1 });
        await using pod = await startDiscordPod(gateway.discord, { store, resumeAnswerMs: 150 });
        await until('a new session', () => isReady(pod));
        assert.deepEqual(gateway.seen, { identifies: 1, resumes: 3 });
        await until('it is stored', () => store.rows.get(0)?.sessionId === 'session-1');
        assert.ok(pod.lines.some(({ text }) => text.includes('does not resume the session')));
      }),
    ),
  );
});

test('a resume that is answered by events counts as answered, however long RESUMED takes', async () => {
  let sequence = 7;
  await using gateway = await startGateway((socket) => {
    const replay = setInterval(() => {
      const message = { guild_id: '1', content: 'x', author: { id: '2' } };
      socket.send(JSON.stringify({ op: 0, t: 'MESSAGE_CREATE', s: ++sequence, d: message }));
      if (sequence < 27) return;
      clearInterval(replay);
      socket.send(JSON.stringify({ op: 0, t: 'RESUMED', s: ++sequence, d: {} }));
    }, 20);
  });
  const store = new MemorySessions();
  store.rows.set(0, { sessionId: 'of an earlier process', sequence: 7, resumeUrl: gateway.url, shardCount: 1 });
  await using pod = await startDiscordPod(gateway.discord, { store, resumeAnswerMs: 150 });
  await until('it has resumed', () => isReady(pod));
  assert.deepEqual(gateway.seen, { identifies: 0, resumes: 1 });
  assert.equal(pod.contents().length, 20);
});
