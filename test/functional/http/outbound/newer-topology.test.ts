/** An HTTP pod learns topologies from gateway pods while it runs. The pods are the test's own, over real links. */
// Of src/http/outbound/{upstreams,known-topologies,ask-topologies,pod-statements,stand-ins}.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import type { GatewayResponse } from '../../../../src/link/message.ts';
import { HEADER } from '../../../../src/protocol/headers.ts';
import { parseTopologyText, type TopologyRecord } from '../../../../src/routing/topology.ts';
import { type HttpUnderTest, startHttp, startLinkPod } from '../../../support/http-service.ts';
import { until } from '../../../support/wait.ts';

const GUILD = '197038439483310086'; // owner 2 of 3, 4 of 5
const env = { LINK_SECRET: 'the link secret of this test', RETRY_BASE_MS: '5', CONNECT_TIMEOUT_MS: '300' };
const read = (text: string): TopologyRecord => parseTopologyText(text) ?? assert.fail(text);
const text = (status: number, body: string, headers: string[] = []): GatewayResponse => ({
  status,
  headers: ['content-type', 'text/plain', ...headers],
  body: Buffer.from(body),
});
const json = (value: unknown): GatewayResponse => ({
  ...text(200, JSON.stringify(value)),
  headers: ['content-type', 'application/json'],
});

/** The statements of a test's gateway pods. */
interface World {
  /** From the topology in force to the newest. */
  chain: string[];
  /** The pod that serves the guild. */
  owner: number;
  /** The number of requests for the guild. */
  readonly asked: number[];
}

/** Starts one gateway pod of the test's world. */
const startPod = (http: HttpUnderTest, world: World, ordinal: number): Promise<AsyncDisposable> =>
  startLinkPod(
    http,
    ordinal,
    ({ target, method }) => {
      const newest = world.chain.at(-1) ?? '';
      if (target === '/_guildway/state') return json({ moving: { topologies: world.chain.map(read) } });
      if (method === 'PUT') return text(201, '');
      if (target === '/everyone') return text(200, `pod ${ordinal}`);
      world.asked.push(ordinal);
      if (ordinal === world.owner) return text(200, `pod ${ordinal}`);
      const named = [HEADER.owner, String(world.owner), HEADER.epoch, String(read(newest).epoch)];
      return text(421, 'elsewhere', [...named, HEADER.topology, newest]);
    },
    read(world.chain.at(-1) ?? ''),
  );

test('an HTTP pod learns of more pods, finds guilds before and after they move, and lets pods go again', async () => {
  const warnings: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line) => void warnings.push(line) });
  const manifest = { routes: [{ path: '/everyone', guild: { from: 'all' } }] } as const;
  await using http = await startHttp({ gatewayPods: 3, mostPods: 5, env, log, manifest });
  const world: World = { chain: ['md5/3@1'], owner: 2, asked: [] };
  await using stack = new AsyncDisposableStack();
  for (const ordinal of [0, 1, 2]) stack.use(await startPod(http, world, ordinal));
  await until('the links', () => http.service.readiness().reasons.length === 0);
  warnings.length = 0;

  const page = async () => (await fetch(`${http.url}/app/${GUILD}/x`)).text();
  const everyone = async () => {
    const { answers, missing } = (await (await fetch(`${http.url}/everyone`)).json()) as {
      answers: Record<string, string>;
      missing: unknown[];
    };
    return [Object.keys(answers).length, missing.length];
  };
  const pods = async () => {
    const metrics = await http.registry.metrics();
    return metrics.match(/^guildway_breaker_state\{pod="\d+"\}/gm)?.length;
  };
  assert.deepEqual([await page(), world.asked.splice(0)], ['pod 2', [2]]);
  assert.deepEqual([await everyone(), await pods()], [[3, 0], 3]);

  // 3 -> 5: the guild has moved to pod 4, which this HTTP pod does not know.
  for (const ordinal of [3, 4]) stack.use(await startPod(http, world, ordinal));
  Object.assign(world, { chain: ['md5/3@1', 'md5/5@2'], owner: 4 });
  assert.deepEqual([await page(), world.asked.splice(0)], ['pod 4', [2, 4]]);
  assert.deepEqual([await page(), world.asked.splice(0)], ['pod 4', [4]]);
  assert.deepEqual([await everyone(), await pods()], [[5, 0], 5]);
  // A guild that has not moved yet: its new owner names the old one.
  world.owner = 2;
  assert.deepEqual([await page(), world.asked.splice(0)], ['pod 2', [4, 2]]);

  // 5 -> 3: pods 3 and 4 are asked until a pod says that every guild has moved.
  Object.assign(world, { chain: ['md5/5@2', 'md5/3@3'], owner: 4 });
  assert.deepEqual([await page(), world.asked.splice(0)], ['pod 4', [4]]);
  world.owner = 2;
  assert.deepEqual([await page(), world.asked.splice(0)], ['pod 2', [4, 2]]);
  assert.deepEqual([await page(), world.asked.splice(0)], ['pod 2', [2]]);
  assert.deepEqual([await everyone(), await pods()], [[5, 0], 5]);
  world.chain = ['md5/3@3'];
  await until('the end of the move', async () => (await pods()) === 3);
  assert.deepEqual([await everyone(), await page()], [[3, 0], 'pod 2']);
  assert.deepEqual(warnings, [], 'a move is no reason to warn');
  assert.match(await http.registry.metrics(), /guildway_redirects_total\{pod="4"\} 2/);
});

test('an HTTP pod that starts in the middle of a move asks the pods which it was not told of', async () => {
  const world: World = { chain: ['md5/2@1', 'md5/1@2'], owner: 1, asked: [] };
  await using http = await startHttp({ gatewayPods: 1, mostPods: 2, env });
  await using _one = await startPod(http, world, 1);
  await using _zero = await startPod(http, world, 0);
  await until('the link', () => http.service.readiness().reasons.length === 0);
  const page = async () => (await fetch(`${http.url}/app/${GUILD}/x`)).text();
  // The first request waits until pod 0 has named the topologies.
  assert.equal(await page(), 'pod 1');
  world.asked.length = 0;
  assert.deepEqual([await page(), world.asked], ['pod 1', [0, 1]]);
});

test('while the new owner of a guild is away, its requests go to the old one', async () => {
  const world: World = { chain: ['md5/3@1', 'md5/5@2'], owner: 2, asked: [] };
  await using http = await startHttp({ gatewayPods: 3, mostPods: 5, env });
  await using stack = new AsyncDisposableStack();
  for (const ordinal of [0, 1, 2]) stack.use(await startPod(http, world, ordinal));
  await until('the links', () => http.service.readiness().reasons.length === 0);
  const page = async () => (await fetch(`${http.url}/app/${GUILD}/x`)).text();
  await until('it has learned', async () => /guildway_breaker_state\{pod="4"\}/.test(await http.registry.metrics()));
  for (let i = 0; i < 5; i++) assert.equal(await page(), 'pod 2');
  // It is there, and the guild has moved.
  stack.use(await startPod(http, world, 4));
  world.owner = 4;
  assert.equal(await page(), 'pod 4');
  world.asked.length = 0;
  await until('it goes there at once', async () => {
    world.asked.length = 0;
    return (await page()) === 'pod 4' && world.asked.join() === '4';
  });
});
