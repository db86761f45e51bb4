// Everything that Discord's gateway does to a connection of one pod, with the real library.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { createTopology } from '../../../../src/routing/topology.ts';
import { findFreePorts } from '../../../../testkit/cluster/ports.ts';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { type DiscordPod, isReady, startDiscordPod } from '../../../support/discord-pod.ts';
import { until } from '../../../support/wait.ts';

const startDiscord = (options = {}) => startDiscordSimulator({ guilds: 2, identifyWindowMs: 0, ...options });

const say = (discord: DiscordSimulator, content: string): void =>
  void discord.events.messageCreate({ guildId: discord.guilds.at(0).id, content });

const resumes = (discord: DiscordSimulator): number => discord.gateway.sessions()[0]?.resumes ?? 0;

async function startReady(discord: DiscordSimulator, options = {}): Promise<DiscordPod> {
  const pod = await startDiscordPod(discord, options);
  await until('the pod is ready', () => isReady(pod));
  return pod;
}

const trouble: [what: string, act: (discord: DiscordSimulator) => void][] = [
  ['op 7', ({ gateway }) => gateway.reconnect()],
  ['op 9, resumable', ({ gateway }) => gateway.invalidate({}, { resumable: true })],
  ['a dropped socket', ({ gateway }) => gateway.dropSocket()],
  ['close 4000', ({ gateway }) => gateway.close({}, 4000)],
  ['close 4009', ({ gateway }) => gateway.close({}, 4009)],
  ['close 1001', ({ gateway }) => gateway.close({}, 1001)],
];

test('a connection that ends resumes its session: no event is lost or handled twice', {
  concurrency: true,
}, async (t) => {
  await Promise.all(
    trouble.map(([what, act]) =>
      t.test(what, async () => {
        await using discord = await startDiscord();
        await using pod = await startReady(discord);
        say(discord, 'before');
        act(discord);
        say(discord, 'meanwhile');
        await until('it has resumed', () => resumes(discord) === 1 && isReady(pod));
        say(discord, 'after');
        await until('events go on', () => pod.contents().includes('after'));
        assert.deepEqual(pod.contents(), ['before', 'meanwhile', 'after']);
        assert.equal(discord.gateway.identifies().length, 1);
        assert.deepEqual(discord.violations.list(), []);
      }),
    ),
  );
});

test('a session that ends is replaced within the limits, and the missed events are logged', {
  concurrency: true,
}, async (t) => {
  const ends: [string, (discord: DiscordSimulator) => void][] = [
    ['op 9, not resumable', ({ gateway }) => gateway.invalidate({}, { resumable: false })],
    ['close 4007', ({ gateway }) => gateway.close({}, 4007)],
    [
      'a session that Discord has forgotten',
      ({ gateway }) => {
        gateway.dropSocket();
        gateway.forgetSessions();
      },
    ],
  ];
  await Promise.all(
    ends.map(([what, act]) =>
      t.test(what, async () => {
        await using discord = await startDiscord();
        await using pod = await startReady(discord);
        const former = pod.store.rows.get(0)?.sessionId;
        act(discord);
        await until('it has identified', () => discord.gateway.identifies().length === 2 && isReady(pod));
        say(discord, 'after');
        await until('events go on', () => pod.contents().includes('after'));
        await until('the new session is stored', () => ![undefined, former].includes(pod.store.rows.get(0)?.sessionId));
        assert.ok(pod.lines.some(({ text }) => text.includes('events until the next one are missed')));
        assert.equal(discord.violations.count('identify_bucket'), 0);
      }),
    ),
  );
});

describe('one pod and', { concurrency: true }, () => {
  test('an unreachable gateway does not cost the session: it is resumed at the general address', async () => {
    await using discord = await startDiscord();
    await using pod = await startReady(discord);
    discord.gateway.resumeUrlDead = true;
    discord.gateway.dropSocket();
    say(discord, 'meanwhile');
    await until('it has resumed', () => resumes(discord) === 1 && isReady(pod));
    await until('what happened meanwhile is handled', () => pod.contents().includes('meanwhile'));
    assert.equal(discord.gateway.identifies().length, 1);
    // Once an event has been handled there, the next start goes straight to the address that works.
    await until('the general address is stored', () => pod.store.rows.get(0)?.resumeUrl.endsWith('/gateway') === true);
  });

  test('a connection without heartbeat acknowledgements is closed and resumed', async () => {
    await using discord = await startDiscord({ heartbeatIntervalMs: 150 });
    await using pod = await startReady(discord);
    discord.gateway.pauseHeartbeatAcks();
    await until('it has resumed', () => resumes(discord) === 1 && isReady(pod));
    say(discord, 'after');
    await until('events go on', () => pod.contents().includes('after'));
  });

  test('after a fatal close code the pod stops connecting, is not ready, and names the setting to correct', {
    concurrency: true,
  }, async (t) => {
    const names: Readonly<Record<number, RegExp>> = {
      4004: /DISCORD_TOKEN/,
      4010: /DISCORD_SHARDS/,
      4011: /DISCORD_SHARDS/,
      4012: /update Guildway/,
      4013: /`intents`/,
      4014: /`intents`.*developer portal/,
    };
    await Promise.all(
      Object.entries(names).map(([code, variable]) =>
        t.test(code, async () => {
          await using discord = await startDiscord();
          await using pod = await startReady(discord, { env: { DISCORD_SHARDS: '2' } });
          discord.gateway.close({ shard: 1 }, Number(code));
          await until('it is not ready', () => !isReady(pod));
          assert.match(pod.sessions.readiness().reasons.join(), variable);
          assert.match(pod.sessions.readiness().reasons.join(), new RegExp(code));
          const told = pod.lines.filter(({ level }) => level === 'fatal');
          assert.equal(told.length, 1);
          assert.match(told[0]?.text ?? '', variable);
          // Longer than the library waits before it connects again.
          await delay(700);
          assert.equal(discord.gateway.identifies().length, 2, 'no loop');
          assert.equal(discord.stats().connections, 1, 'the other shard goes on');
          assert.equal(isReady(pod), false);
        }),
      ),
    );
  });

  test('when the REST API rejects the token, the pod stops and names the variable', async () => {
    await using discord = await startDiscord();
    await using pod = await startDiscordPod(discord, { env: { DISCORD_TOKEN: 'a.wrong.token' } });
    await until('it says so', () => pod.sessions.readiness().reasons.join().includes('DISCORD_TOKEN'));
    assert.equal(pod.lines.filter(({ level }) => level === 'fatal').length, 1);
    assert.ok((discord.stats().statuses['401'] ?? 0) <= 2);
  });

  test('repeatedly rejected identifies back off and leak no listeners', async (t) => {
    const warn = t.mock.method(console, 'warn', () => {});
    // A bucket is open once a second here, and this pod believes that it is every millisecond.
    await using discord = await startDiscord({ identifyWindowMs: 1_000 });
    await using pod = await startDiscordPod(discord, { env: { DISCORD_SHARDS: '19' } });
    await until('many are refused', () => discord.violations.count('identify_bucket') >= 3);
    await until('all are ready', () => isReady(pod), 20_000);
    assert.deepEqual(
      warn.mock.calls.map(({ arguments: [text] }) => text),
      [],
    );
  });

  test('shutting down while a connection opens ends in time and opens no other', async (t) => {
    await using discord = await startDiscord();
    // A gateway that accepts connections and never sends hello.
    const silentGateway = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    t.after(() => silentGateway.close());
    let opened = 0;
    silentGateway.on('connection', () => opened++);
    await once(silentGateway, 'listening');
    const url = `ws://127.0.0.1:${(silentGateway.address() as AddressInfo).port}`;
    const limit = { total: 1_000, remaining: 1_000, reset_after: 3_600_000, max_concurrency: 1 };
    const api = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ url, shards: 1, session_start_limit: limit }));
    });
    t.after(() => api.closeAllConnections());
    t.after(() => api.close());
    api.listen(0, '127.0.0.1');
    await once(api, 'listening');
    const env = { DISCORD_API_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}/api` };
    await using pod = await startDiscordPod(discord, {
      env,
      ordinal: 1,
      topology: createTopology({ strategy: 'md5', pods: 2 }),
    });
    await until('a connection is open', () => opened === 1);
    const startedAt = performance.now();
    await pod.sessions.drain();
    assert.ok(performance.now() - startedAt < 3_000);
    // Longer than the library waits before it connects again.
    await delay(700);
    assert.equal(opened, 1);
    assert.equal(silentGateway.clients.size, 0);
  });

  test('shutting down while shards wait to identify opens no connection and sends no identify', async () => {
    await using discord = await startDiscord();
    const pod = await startDiscordPod(discord, { env: { DISCORD_SHARDS: '17', IDENTIFY_INTERVAL_MS: '60000' } });
    await until('all but one are ready', () => pod.sessions.readiness().reasons.length === 1);
    await until('the last is connected', () => discord.stats().connections === 17);
    await pod.sessions.drain();
    await pod.sessions.close();
    await delay(700);
    assert.equal(discord.stats().connections, 0);
    assert.equal(discord.gateway.identifies().length, 16);
    assert.equal(discord.gateway.sessions().length, 16, 'they can be resumed');
  });

  test('while Discord is away at startup the pod is not ready, says why, and connects when Discord is back', async () => {
    const port = await findFreePorts(1);
    await using starting = await startDiscordPod(
      { token: 'a.b.c', applicationId: '1', apiUrl: `http://127.0.0.1:${port}/api` } as DiscordSimulator,
      {},
    );
    await until('it says why', () => starting.sessions.readiness().reasons.join().includes('cannot start sessions'));
    await using discord = await startDiscord({ port, token: 'a.b.c', applicationId: '1' });
    await until('it is ready', () => isReady(starting));
    assert.equal(discord.gateway.sessions().length, 1);
  });

  test('a restarted pod resumes even when no identifies are left today', async () => {
    await using discord = await startDiscord({ sessionStartLimit: 1 });
    const first = await startReady(discord);
    await first.sessions.drain();
    await first.sessions.close();
    say(discord, 'meanwhile');
    await using second = await startDiscordPod(discord, { store: first.store });
    await until('it resumes', () => isReady(second) && second.contents().includes('meanwhile'));
    assert.equal(discord.gateway.identifies().length, 1);
  });
});
