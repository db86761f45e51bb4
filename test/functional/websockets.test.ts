// Of src/gateway/websocket/{bounded-server,connection,refuse,websockets}.ts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ClientOptions, WebSocket } from 'ws';
import { getGatewayPodForGuild } from '../../src/public-routing.ts';
import { type Cluster, type Pod, startCluster } from '../../testkit/cluster/index.ts';
import { until } from '../support/simulator.ts';

const BOT = fileURLToPath(new URL('../support/websocket-bot.ts', import.meta.url));

let cluster: Cluster;
let guildId: string;
let owner: Pod;

before(async () => {
  const env = { REQUEST_TIMEOUT_MS: '1500' };
  cluster = await startCluster({ bot: BOT, gatewayPods: 2, httpPods: 2, guilds: 8, env });
  guildId = cluster.simulator?.guilds.ids.find((id) => getGatewayPodForGuild(id, 2) === 1) ?? '';
  owner = cluster.gatewayPods[1] as Pod;
});
after(() => cluster.stop());

interface Live {
  readonly socket: WebSocket;
  readonly messages: string[];
  readonly closed: Promise<{ code: number; reason: string }>;
  next(): Promise<string>;
}

/** Opens a websocket through an HTTP pod and reads the bot's first message. */
async function open(
  path = `/app/${guildId}/live`,
  options: ClientOptions = {},
  protocols: string[] = [],
): Promise<Live> {
  const socket = connect(path, options, protocols);
  const messages: string[] = [];
  let read = 0;
  socket.on('message', (data) => messages.push(String(data)));
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  const next = (): Promise<string> =>
    until('a message', () => messages[read]).then((message) => {
      read++;
      return message;
    });
  const live = { socket, messages, closed, next };
  await once(socket, 'open');
  return live;
}

function connect(path: string, options: ClientOptions = {}, protocols: string[] = []): WebSocket {
  const [http] = cluster.httpPods as [Pod];
  return new WebSocket(`${http.url.replace('http', 'ws')}${path}`, protocols, options);
}

/** The response to a refused upgrade. */
async function refused(
  path: string,
  options: ClientOptions = {},
): Promise<{ response: IncomingMessage; text: string }> {
  const socket = connect(path, options);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  return { response, text };
}

/** Waits for a line of the owner's log: a pod writes its log beside its work, not before the response. */
const logged = (line: RegExp): Promise<boolean> =>
  until(`${line} in the log`, async () => line.test(await owner.logTail(50)));

interface Close {
  readonly code: number | null;
  readonly reason: string | null;
  readonly aborted: number;
}

/** How the guild's websockets ended, as seen by the bot, since the last call. */
let seen = 0;
async function closes(count: number): Promise<Close[]> {
  const all = await until('closes', async () => {
    const rows = (await (await fetch(`${cluster.url}/api/guilds/${guildId}/closes`)).json()) as Close[];
    return rows.length >= seen + count ? rows : undefined;
  });
  const fresh = all.slice(seen);
  seen = all.length;
  return fresh;
}

test('any HTTP pod opens a websocket at the owner of its guild, and both sides can close it with a code', async () => {
  const live = await open();
  const first = JSON.parse(await live.next());
  assert.deepEqual(first, { guildId, pod: 1, internal: false, left: null }, 'an open connection has no deadline');
  live.socket.send('hello');
  assert.equal(await live.next(), 'hello');
  live.socket.close(4000, 'enough');
  assert.deepEqual(await live.closed, { code: 4000, reason: 'enough' });
  assert.deepEqual(await closes(1), [{ code: 4000, reason: 'enough', aborted: 1 }]);

  const other = await open();
  other.socket.send('bye');
  assert.deepEqual(await other.closed, { code: 4001, reason: 'as asked' });
  assert.deepEqual(await closes(1), [{ code: 4001, reason: 'as asked', aborted: 1 }]);
});

test('the bot chooses subprotocols and headers; topics are shared within the guild', async () => {
  const one = await open(`/app/${guildId}/live?protocol=1`, {}, ['json', 'chat']);
  assert.equal(one.socket.protocol, 'chat');
  const two = await open();
  await Promise.all([one.next(), two.next()]);
  one.socket.send('publish to the room');
  assert.equal(await two.next(), 'to the room');
  one.socket.close(1000);
  two.socket.close(1000);
  await closes(2);
});

test('messages of one client are handled one after another', async () => {
  const live = await open();
  await live.next();
  for (let i = 0; i < 40; i++) live.socket.send(i === 0 ? 'wait 0' : String(i));
  await until('all answers', () => live.messages.length === 41 || undefined);
  assert.deepEqual(live.messages.slice(1), ['wait 0', ...Array.from({ length: 39 }, (_, i) => String(i + 1))]);
  live.socket.close(1000);
  await closes(1);
});

test('an upgrade is refused as the bot decides, or by Guildway before the bot sees it', async () => {
  const room = `/app/${guildId}/live`;
  const wrongPath = await refused(`/app/${guildId}/other`);
  assert.deepEqual([wrongPath.response.statusCode, wrongPath.text], [404, 'no such room\n']);
  const wrongKey = await refused(`${room}?key=wrong`);
  assert.deepEqual([wrongKey.response.statusCode, wrongKey.text], [401, 'another key, please\n']);
  assert.equal(wrongKey.response.headers['x-room'], 'live');
  assert.equal((await refused(`${room}?key=throws`)).response.statusCode, 500);
  assert.equal((await refused(`${room}?key=hangs`)).response.statusCode, 504);
  assert.equal((await refused('/app/0x1/live')).response.statusCode, 400);
  assert.equal((await refused('/_guildway/state')).response.statusCode, 404);
  assert.equal((await refused('/webhooks/discord')).response.statusCode, 405);
  await logged(/thrown in upgrade/);
});

test('a page of another site cannot open a websocket, unless the bot trusts its origin', async () => {
  const room = `/app/${guildId}/live`;
  const answer = await refused(room, { origin: 'https://evil.example' });
  assert.equal(answer.response.statusCode, 403);
  const [http] = cluster.httpPods as [Pod];
  for (const origin of [http.url, 'https://dashboard.example']) {
    const live = await open(room, { origin });
    live.socket.close(1000);
    await closes(1);
  }
});

test('a hook that throws closes only its own connection, with 1011', async () => {
  const [bad, good] = [await open(), await open()];
  bad.socket.send('throw');
  assert.deepEqual(await bad.closed, { code: 1011, reason: 'internal error' });
  await logged(/thrown in message/);
  await good.next();
  good.socket.send('still here');
  assert.equal(await good.next(), 'still here');
  good.socket.close(1000);
  assert.deepEqual((await closes(2)).map(({ code }) => code).toSorted(), [1000, 1011]);
});

test('a message above the limit closes with 1009, and a dropped connection is detected immediately', async () => {
  const large = await open();
  large.socket.send('x'.repeat(2_001));
  assert.equal((await large.closed).code, 1009);
  const gone = await open();
  await gone.next();
  gone.socket.terminate();
  assert.equal((await closes(2)).at(-1)?.code, 1006);
});

test('a client that does not read is disconnected, and the pod buffers nothing for it', async () => {
  const slow = await open();
  await slow.next();
  slow.socket.pause();
  slow.socket.send('flood');
  assert.equal((await closes(1))[0]?.code, 1006);
  await logged(/does not read/);
  await until('none is open', async () => {
    const metrics = await (await fetch(`${owner.adminUrl}/metrics`)).text();
    return /^guildway_websockets 0$/m.test(metrics);
  });
  slow.socket.terminate();
});

test('a draining HTTP pod tells its clients to reconnect, and notifies the bot', async () => {
  const [http] = cluster.httpPods as [Pod];
  const live = await open();
  await live.next();
  const stopped = http.stop();
  assert.deepEqual(await live.closed, { code: 1012, reason: 'service restart' });
  assert.equal((await stopped).code, 0);
  assert.deepEqual(await closes(1), [{ code: 1012, reason: 'service restart', aborted: 1 }]);
  await http.start();
});

test('a draining owner does the same; a killed one gives 1006, and an absent one 503 in time', async () => {
  const live = await open();
  await live.next();
  const stopped = owner.stop();
  assert.deepEqual(await live.closed, { code: 1012, reason: 'service restart' });
  assert.equal((await stopped).code, 0, 'it waits for no client');
  await owner.start();
  assert.deepEqual(
    (await closes(1)).map(({ code }) => code),
    [1012],
  );

  const killed = await open();
  await owner.kill();
  assert.equal((await killed.closed).code, 1006);
  const away = await refused(`/app/${guildId}/live`);
  assert.equal(away.response.statusCode, 503);
  assert.equal(away.response.headers['retry-after'], '1');
  await owner.start();
  assert.equal((await fetch(`${cluster.url}/api/guilds/${guildId}/closes`)).status, 200);
});
