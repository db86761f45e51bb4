import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { createZstdDecompress } from 'node:zlib';
import { REST } from '@discordjs/rest';
import {
  CompressionMethod,
  type SessionInfo,
  WebSocketManager,
  type WebSocketManagerOptions,
  WebSocketShardEvents,
} from '@discordjs/ws';
import { WebSocket } from 'ws';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { call, type Json, RawGatewayClient, until } from '../../../support/simulator.ts';

const GUILDS = 1;
const GUILD_MEMBERS = 1 << 1;
const GUILD_MESSAGES = 1 << 9;
const DIRECT_MESSAGES = 1 << 12;
const MESSAGE_CONTENT = 1 << 15;

/** A manager of @discordjs/ws with its sessions in a map, like a program that survives restarts. */
class Shards implements AsyncDisposable {
  readonly sessions = new Map<number, SessionInfo>();
  readonly events: { t: string; d: Json; s: number; shardId: number }[] = [];
  readonly manager: WebSocketManager;
  resumed = 0;

  constructor(
    simulator: DiscordSimulator,
    options: Partial<WebSocketManagerOptions> & { sessions?: Map<number, SessionInfo> } = {},
  ) {
    const { sessions, ...rest } = options;
    if (sessions !== undefined) this.sessions = sessions;
    this.manager = new WebSocketManager({
      token: simulator.token,
      intents: GUILDS | GUILD_MESSAGES | MESSAGE_CONTENT,
      rest: new REST({ api: simulator.apiUrl }).setToken(simulator.token),
      retrieveSessionInfo: (shard) => this.sessions.get(shard) ?? null,
      updateSessionInfo: (shard, info) => {
        if (info === null) this.sessions.delete(shard);
        else this.sessions.set(shard, info);
      },
      ...rest,
    });
    this.manager.on(WebSocketShardEvents.Dispatch, (payload, shardId) => {
      this.events.push({ t: payload.t, d: payload.d, s: payload.s, shardId });
    });
    this.manager.on(WebSocketShardEvents.Resumed, () => {
      this.resumed++;
    });
    this.manager.on(WebSocketShardEvents.Error, () => {});
  }

  named(name: string): Json[] {
    return this.events.filter(({ t }) => t === name).map(({ d }) => d);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.manager.destroy();
  }
}

/** Ends abruptly, like a killed process. */
function kill(shards: Shards, simulator: DiscordSimulator): Promise<unknown> {
  for (const shard of (shards.manager as Json).strategy.shards.values()) {
    shard.connection.onclose = null;
    shard.connection.onmessage = null;
    shard.connection.terminate();
    clearInterval(shard.heartbeatInterval);
    shard.initialHeartbeatTimeoutController?.abort();
  }
  return until('the connections to be gone', () => simulator.gateway.sessions().every(({ connected }) => !connected));
}

const guildOn = (simulator: DiscordSimulator, shard: number, numShards: number): string =>
  [...simulator.guilds].find(({ id }) => (BigInt(id) >> 22n) % BigInt(numShards) === BigInt(shard))?.id ?? '';

// Each test has its own simulator. Most of the time is delays of libraries.
describe('@discordjs/ws on the simulator', { concurrency: true }, () => {
  test('gets READY and the guilds of each shard, in sequence', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 40 });
    await using shards = new Shards(simulator, { shardCount: 4 });
    await shards.manager.connect();
    await until('every guild', () => shards.named('GUILD_CREATE').length === 40);
    for (let shard = 0; shard < 4; shard++) {
      const own = shards.events.filter(({ shardId }) => shardId === shard);
      assert.deepEqual(
        own.map(({ s }) => s),
        own.map((_, index) => index + 1),
      );
      const ready = own[0]?.d;
      assert.deepEqual(ready.shard, [shard, 4]);
      const announced = ready.guilds.map(({ id }: Json) => id);
      assert.deepEqual(
        own.slice(1).map(({ d }) => d.id),
        announced,
      );
      assert.ok(announced.every((id: string) => Number((BigInt(id) >> 22n) % 4n) === shard));
    }
  });

  test('understands the compressed stream', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 30 });
    await using shards = new Shards(simulator, { shardCount: 1, compression: CompressionMethod.ZlibNative });
    await shards.manager.connect();
    await until('every guild', () => shards.named('GUILD_CREATE').length === 30);
    const { messageId } = simulator.events.messageCreate({ guildId: simulator.guilds.at(0).id, content: 'small' });
    await until('the message', () => shards.named('MESSAGE_CREATE')[0]?.id === messageId);
  });

  test('a stream compressed by zstd contains each payload as it is sent', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1 });
    const url = `${simulator.url.replace('http', 'ws')}/gateway?v=10&encoding=json&compress=zstd-stream`;
    const socket = new WebSocket(url, { perMessageDeflate: false });
    const stream = createZstdDecompress();
    socket.on('message', (data: Buffer, isBinary) => isBinary && stream.write(data));
    const [hello] = (await once(stream, 'data')) as [Buffer];
    assert.equal(JSON.parse(hello.toString()).op, 10);
    socket.send(JSON.stringify({ op: 1, d: null }));
    const [acknowledgement] = (await once(stream, 'data')) as [Buffer];
    assert.equal(JSON.parse(acknowledgement.toString()).op, 11);
    socket.terminate();
  });

  test('resumes a stored session in another process, and misses no event', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 10 });
    const first = new Shards(simulator, { shardCount: 2 });
    await first.manager.connect();
    await until('every guild', () => first.named('GUILD_CREATE').length === 10);
    await kill(first, simulator);
    const guildId = guildOn(simulator, 1, 2);
    for (const content of ['one', 'two', 'three']) simulator.events.messageCreate({ guildId, content });
    await using second = new Shards(simulator, { shardCount: 2, sessions: first.sessions });
    await second.manager.connect();
    await until('both shards to resume', () => second.resumed === 2);
    assert.deepEqual(
      second.named('MESSAGE_CREATE').map(({ content }) => content),
      ['one', 'two', 'three'],
    );
    assert.equal(second.named('READY').length, 0);
    assert.equal(simulator.gateway.identifies().length, 2);
    const { json } = await call(simulator, 'GET', '/gateway/bot');
    assert.equal(json.session_start_limit.remaining, 998);
  });

  test('identifies again when the session was forgotten or the resume URL is dead', async () => {
    let now = Date.now();
    await using simulator = await startDiscordSimulator({ guilds: 4, clock: { now: () => now }, identifyWindowMs: 0 });
    const first = new Shards(simulator, { shardCount: 1 });
    await first.manager.connect();
    await kill(first, simulator);
    now += 180_001;
    const second = new Shards(simulator, { shardCount: 1, sessions: first.sessions });
    await second.manager.connect();
    assert.equal(second.named('READY').length, 1);
    await kill(second, simulator);
    simulator.gateway.resumeUrlDead = true;
    await using third = new Shards(simulator, { shardCount: 1, sessions: second.sessions });
    await third.manager.connect();
    assert.equal(third.named('READY').length, 1);
    assert.equal(simulator.gateway.identifies().length, 3);
  });

  test('treats a connection without heartbeat acknowledgements as dead, and resumes', async () => {
    // Long enough for a busy machine, because a late heartbeat would end the session.
    await using simulator = await startDiscordSimulator({ guilds: 2, heartbeatIntervalMs: 2_000 });
    await using shards = new Shards(simulator, { shardCount: 1 });
    await shards.manager.connect();
    simulator.gateway.pauseHeartbeatAcks();
    await until('the shard to resume', () => shards.resumed === 1);
    assert.equal(simulator.gateway.sessions()[0]?.resumes, 1);
  });

  test('several sessions of one shard each get every event', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 6, identifyWindowMs: 0 });
    await using one = new Shards(simulator, { shardCount: 2 });
    await using other = new Shards(simulator, { shardCount: 2 });
    await using differently = new Shards(simulator, { shardCount: 3 });
    for (const shards of [one, other, differently]) await shards.manager.connect();
    simulator.events.messageCreate({ guildId: simulator.guilds.at(0).id, content: 'to all' });
    for (const shards of [one, other, differently]) {
      await until('the message', () => shards.named('MESSAGE_CREATE').length === 1);
    }
    assert.equal(simulator.gateway.sessions().length, 7);
  });
});

describe("the gateway's rules", { concurrency: true }, () => {
  test('intents decide what a session gets, and whether it sees content', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 3, identifyWindowMs: 0 });
    const all = new RawGatewayClient(simulator);
    const blind = new RawGatewayClient(simulator);
    const deaf = new RawGatewayClient(simulator);
    await all.identify(simulator, {
      intents: GUILDS | GUILD_MESSAGES | MESSAGE_CONTENT | DIRECT_MESSAGES | GUILD_MEMBERS,
    });
    await blind.identify(simulator, { intents: GUILDS | GUILD_MESSAGES });
    await deaf.identify(simulator, { intents: 0 });
    const guildId = simulator.guilds.at(0).id;
    const bot = simulator.applicationId;
    for (const content of ['secret', `<@${bot}> visible`]) simulator.events.messageCreate({ guildId, content });
    simulator.events.messageCreate({ guildId: null, content: 'direct' });
    assert.equal(simulator.events.dispatch('GUILD_MEMBER_ADD', { guild_id: guildId }, guildId), 1);
    assert.equal(simulator.events.dispatch('ENTITLEMENT_CREATE', { id: '1' }, null), 3);
    for (const client of [all, blind, deaf]) await client.payload('ENTITLEMENT_CREATE');
    const contents = (client: RawGatewayClient) =>
      client.payloads.filter(({ t }) => t === 'MESSAGE_CREATE').map(({ d }) => d.content);
    assert.deepEqual(contents(all), ['secret', `<@${bot}> visible`, 'direct']);
    assert.deepEqual(contents(blind), ['', `<@${bot}> visible`]);
    assert.deepEqual(contents(deaf), []);
    const names = (client: RawGatewayClient) => new Set(client.payloads.map(({ t }) => t));
    assert.equal(names(deaf).has('GUILD_CREATE'), false);
    assert.equal(names(all).has('GUILD_MEMBER_ADD'), true);
    for (const client of [all, blind, deaf]) client.close();
  });

  test('invalid identifies are closed with their codes', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 6000, privilegedIntents: 0 });
    const attempts: [number, Record<string, unknown>][] = [
      [4004, { token: 'wrong' }],
      [4010, { shard: [3, 3] }],
      [4010, { shard: 'all' }],
      [4011, { shard: [0, 2] }],
      [4013, { shard: [0, 3], intents: 1 << 30 }],
      [4013, { shard: [0, 3], intents: 'all' }],
      [4014, { shard: [0, 3], intents: MESSAGE_CONTENT }],
    ];
    for (const [code, facts] of attempts) {
      const client = new RawGatewayClient(simulator);
      await client.payload(10);
      client.send({ op: 2, d: { token: simulator.token, intents: 0, properties: {}, ...facts } });
      assert.equal(await client.closed(), code, JSON.stringify(facts));
    }
    assert.equal(await new RawGatewayClient(simulator, '/gateway?v=6').closed(), 4012);
  });

  test('payloads that break the protocol are closed with their codes', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1, identifyWindowMs: 0 });
    const closes = async (code: number, identify: boolean, ...payloads: unknown[]) => {
      const client = new RawGatewayClient(simulator);
      if (identify) await client.identify(simulator);
      else await client.payload(10);
      for (const payload of payloads) client.send(payload);
      assert.equal(await client.closed(), code);
    };
    const { token } = simulator;
    await closes(4001, true, { op: 99 });
    await closes(4002, true, 'not json');
    await closes(4002, true, { op: 3, d: 'x'.repeat(4096) });
    await closes(4003, false, { op: 8, d: {} });
    await closes(4005, true, { op: 2, d: { token, intents: 0, shard: [0, 1] } });
    await closes(4008, true, ...Array.from({ length: 121 }, () => ({ op: 1, d: null })));
    const [session] = simulator.gateway.sessions();
    await closes(4007, false, { op: 6, d: { token, session_id: session?.sessionId, seq: 9999 } });
    await closes(4004, false, { op: 6, d: { token: 'wrong', session_id: session?.sessionId, seq: 1 } });
    assert.deepEqual(
      [simulator.violations.count('gateway_payload'), simulator.violations.count('gateway_rate_limit')],
      [3, 1],
    );
  });

  test('heartbeats are acknowledged, and a client that sends none is closed with 4009', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1, heartbeatIntervalMs: 10 });
    const client = new RawGatewayClient(simulator);
    await client.identify(simulator);
    client.send({ op: 1, d: 1 });
    await client.payload(11);
    simulator.gateway.requestHeartbeat();
    await client.payload(1);
    assert.equal(await client.closed(), 4009);
    assert.equal(simulator.gateway.sessions().length, 1, 'the session can be resumed');
  });

  test('a bucket may identify once in five seconds; the next one gets an invalid session', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 4, maxConcurrency: 2 });
    const clients = [0, 1, 2].map(() => new RawGatewayClient(simulator));
    for (const [shard, client] of clients.entries()) {
      await client.payload(10);
      client.send({ op: 2, d: { token: simulator.token, intents: 0, shard: [shard, 4] } });
      await client.payload(shard === 2 ? 9 : 'READY');
    }
    assert.deepEqual(
      simulator.gateway.identifies().map(({ bucket, outcome }) => [bucket, outcome]),
      [
        [0, 'accepted'],
        [1, 'accepted'],
        [0, 'bucket'],
      ],
    );
    assert.equal(simulator.violations.count('identify_bucket'), 1);
    for (const client of clients) client.close();
  });

  test('exceeding the daily identifies ends every session and resets the token', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1, sessionStartLimit: 2, identifyWindowMs: 0 });
    const { token } = simulator;
    const clients = [0, 1, 2].map(() => new RawGatewayClient(simulator));
    for (const [index, client] of clients.entries()) {
      await client.payload(10);
      client.send({ op: 2, d: { token, intents: 0, shard: [0, 1] } });
      if (index < 2) await client.payload('READY');
    }
    for (const client of clients) assert.equal(await client.closed(), 4004);
    assert.notEqual(simulator.token, token);
    assert.equal(simulator.gateway.sessions().length, 0);
    assert.equal((await call(simulator, 'GET', '/users/@me', undefined, token)).status, 401);
  });

  test('a normal close ends the session, any other close keeps it', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1, identifyWindowMs: 0 });
    for (const [code, left] of [
      [1000, 0],
      [1001, 0],
      [4200, 1],
      [undefined, 1],
    ] as const) {
      const client = new RawGatewayClient(simulator);
      await client.identify(simulator);
      client.close(code);
      await client.closed();
      const gone = () => simulator.gateway.sessions({ where: ({ connected }) => connected }).length === 0;
      await until('the connection to be gone', gone);
      assert.equal(simulator.gateway.sessions().length, left, String(code));
      simulator.gateway.forgetSessions();
    }
  });

  test('a session that another connection resumes leaves the former one', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1 });
    const former = new RawGatewayClient(simulator);
    const { session_id } = await former.identify(simulator);
    const latter = new RawGatewayClient(simulator, '/gateway/resume?v=10&encoding=json');
    await latter.payload(10);
    latter.send({ op: 6, d: { token: simulator.token, session_id, seq: 0 } });
    await latter.payload('RESUMED');
    assert.equal((await former.payload(9)).d, false);
    assert.deepEqual(
      latter.payloads.filter(({ op }) => op === 0).map(({ t, s }) => [t, s]),
      [
        ['READY', 1],
        ['GUILD_CREATE', 2],
        ['RESUMED', 3],
      ],
    );
    former.close(1000);
    latter.close();
  });

  test('a resume beyond the stored events is refused', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1, replayBufferSize: 3 });
    const client = new RawGatewayClient(simulator);
    const { session_id } = await client.identify(simulator);
    const guildId = simulator.guilds.at(0).id;
    for (let i = 0; i < 3; i++) simulator.events.messageCreate({ guildId, content: String(i) });
    const resume = async (seq: number) => {
      const other = new RawGatewayClient(simulator);
      await other.payload(10);
      other.send({ op: 6, d: { token: simulator.token, session_id, seq } });
      return other;
    };
    const enough = await resume(2);
    await enough.payload('RESUMED');
    const tooOld = await resume(1);
    assert.equal((await tooOld.payload(9)).d, false);
    assert.equal(simulator.gateway.sessions().length, 0);
  });

  test('members are sent on request: by prefix, by id, and with the missing ids', async () => {
    await using simulator = await startDiscordSimulator({ guilds: 1 });
    const guild = simulator.guilds.at(0);
    const client = new RawGatewayClient(simulator);
    await client.identify(simulator);
    const user_ids = [guild.ownerId, '42'];
    client.send({ op: 8, d: { guild_id: guild.id, user_ids, limit: 0, nonce: 'n1' } });
    const { d } = await client.payload('GUILD_MEMBERS_CHUNK');
    assert.deepEqual([d.nonce, d.members.length, d.not_found], ['n1', 1, ['42']]);
    client.send({ op: 3, d: { status: 'idle', since: null, activities: [], afk: false } });
    client.close();
    await client.closed();
  });
});
