// While pod 0 is away, the other pods identify in time slots, and the lowest of them registers the commands. Real sessions at the
// simulator; pod 0 is an HTTP server in front of its sessions that can be switched off.
// Of src/gateway/discord/peers.ts.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import type { Command } from '../../../../src/bot/types.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { inMs } from '../../../../src/time.ts';
import { findFreePorts } from '../../../../testkit/cluster/ports.ts';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { type DiscordPod, type DiscordPodOptions, isReady, startDiscordPod } from '../../../support/discord-pod.ts';
import { until } from '../../../support/wait.ts';

const PODS = 3;
const topology = createTopology({ strategy: 'md5', pods: PODS });
/** Longer than Discord's here, as in production. */
const [WINDOW_MS, INTERVAL_MS] = [300, 1_200];

interface Place {
  readonly discord: DiscordSimulator;
  readonly port: number;
  start(ordinal: number, options?: DiscordPodOptions): Promise<DiscordPod & { listen(): Promise<void> }>;
}

/** What a pod answers to the others: its state, and identify slots. */
function internalServer({ sessions }: DiscordPod): Server {
  return createServer(async (request, response) => {
    if (request.url === '/_guildway/state') {
      response.end(JSON.stringify({ discord: sessions.state() }));
      return;
    }
    const deadlineAt = inMs(Number(request.headers['guildway-deadline-ms']));
    const context = { deadlineAt, signal: new AbortController().signal };
    const body = await buffer(request);
    const answer = await sessions.identify({ method: 'POST', target: request.url ?? '', headers: [], body }, context);
    response.writeHead(answer.status, answer.headers as string[]).end(answer.body);
  });
}

async function startPlace(): Promise<Place & AsyncDisposable> {
  const discord = await startDiscordSimulator({ guilds: 3, identifyWindowMs: WINDOW_MS });
  const port = await findFreePorts(PODS);
  const env = {
    IDENTIFY_INTERVAL_MS: String(INTERVAL_MS),
    GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${port}+ordinal}`,
  };
  return {
    discord,
    port,
    async start(ordinal, options = {}) {
      const pod = await startDiscordPod(discord, {
        ...{ ordinal, topology, env, timing: { podZeroAbsentMs: 200, commandsAbsentMs: 500 }, ...options },
      });
      const server = internalServer(pod);
      return {
        ...pod,
        listen: () => new Promise((resolve) => server.listen(port + ordinal, '127.0.0.1', resolve)),
        async [Symbol.asyncDispose]() {
          server.closeAllConnections();
          server.close();
          await pod[Symbol.asyncDispose]();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      await discord.stop();
    },
  };
}

const outcomes = ({ discord }: Place) => discord.gateway.identifies().map(({ outcome }) => outcome);

describe('while pod 0 is away', { concurrency: true }, () => {
  test('the others identify in time slots, and stop when it returns', async () => {
    await using place = await startPlace();
    const { discord } = place;
    await using one = await place.start(1);
    await using two = await place.start(2);
    await until('both are ready', () => isReady(one) && isReady(two));
    assert.deepEqual(outcomes(place), ['accepted', 'accepted'], "within Discord's limit");
    assert.ok(one.lines.some(({ text }) => text.includes('in its own time slot')));

    await using zero = await place.start(0);
    await zero.listen();
    discord.gateway.invalidate({}, { resumable: false });
    await until('all are ready again', () => [zero, one, two].every(isReady) && outcomes(place).length === 5);
    assert.deepEqual(new Set(outcomes(place)), new Set(['accepted']));
    const own = [...one.lines, ...two.lines].filter(({ text }) => text.includes('in its own time slot'));
    assert.equal(own.length, 2, 'pod 0 has handed out the slots since');
  });

  test('the others leave the last identifies of the day unused', async () => {
    const discord = await startDiscordSimulator({ guilds: 1, identifyWindowMs: WINDOW_MS, sessionStartLimit: PODS });
    const port = await findFreePorts(PODS);
    const env = {
      IDENTIFY_INTERVAL_MS: String(INTERVAL_MS),
      GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${port}+ordinal}`,
    };
    await using pod = await startDiscordPod(discord, { ordinal: 1, topology, env, timing: { podZeroAbsentMs: 200 } });
    await until('it says so', () => pod.lines.some(({ text }) => text.includes('no identifies left today')));
    assert.equal(discord.gateway.identifies().length, 0);
    await discord.stop();
  });

  test('the lowest live pod registers the commands once, and pod 0 has the last word', async () => {
    await using place = await startPlace();
    const { discord } = place;
    const writes = () => discord.rest.counts()['PUT /applications/:application/commands'] ?? 0;
    const registered = () => discord.commands.list(null).map(({ description }) => description);
    const said = (description: string): { bot: { commands: Command[] } } => ({
      bot: { commands: [{ name: 'warn', description, run: () => ({ type: 4, data: { content: '' } }) }] },
    });
    const stateOf = (pod: DiscordPod) => (pod.sessions.state() as { commands: string }).commands;
    await using one = await place.start(1, said('of pod 1'));
    await using two = await place.start(2, said('of pod 2'));
    await Promise.all([one.listen(), two.listen()]);
    await until('both know who does it', () => stateOf(two) === 'registered by pod 1');
    assert.equal(stateOf(one), 'registered');
    assert.deepEqual(registered(), ['of pod 1']);
    await using zero = await place.start(0, said('of pod 0'));
    await zero.listen();
    await until('pod 0 has registered its own', () => stateOf(zero) === 'registered');
    assert.deepEqual(registered(), ['of pod 0']);
    assert.equal(writes(), 2);
  });

  test('a live pod without Discord sessions, or with an invalid response, does not prevent registration', async (t) => {
    await using place = await startPlace();
    const answers = ['{"discord":null}', 'nonsense'];
    for (const [ordinal, body] of answers.entries()) {
      const server = createServer((_request, response) => response.end(body));
      t.after(() => server.close());
      await new Promise<void>((resolve) => server.listen(place.port + ordinal, '127.0.0.1', resolve));
    }
    await using two = await place.start(2);
    const isDone = () => two.lines.some(({ text }) => text === 'commands registered');
    await until('it registers', isDone);
  });

  test('a pod 0 that cannot reach Discord counts as away; one that yields to others does not', async (t) => {
    await using place = await startPlace();
    const answers = [
      { status: 503, headers: {}, body: '{}' },
      { status: 503, headers: { 'guildway-failure': 'Discord cannot be asked' }, body: '{}' },
    ];
    let asked = 0;
    let isStuck = false;
    const server = createServer((_request, response) => {
      asked++;
      const { status, headers, body } = answers[isStuck ? 1 : 0] as (typeof answers)[number];
      response.writeHead(status, headers).end(body);
    });
    t.after(() => server.close());
    await new Promise<void>((resolve) => server.listen(place.port, '127.0.0.1', resolve));
    await using one = await place.start(1);
    await until('it has asked for longer than it waits for a pod that is away', () => asked >= 4);
    assert.equal(place.discord.gateway.identifies().length, 0);
    isStuck = true;
    await until('it is ready', () => isReady(one));
    assert.deepEqual(outcomes(place), ['accepted']);
    server.closeAllConnections();
  });
});
