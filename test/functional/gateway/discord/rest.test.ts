// One call that Discord rejects fails alone. The real REST client, and a server that rejects what a path says.
// Of src/gateway/discord/pod-rest.ts.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { RequestMethod, type RouteLike } from '@discordjs/rest';
import { Routes } from 'discord-api-types/v10';
import { createDiscordRest } from '../../../../src/gateway/discord/rest.ts';
import { recordingLog } from '../../../support/discord-pod.ts';

interface Call {
  readonly path: string;
  readonly authorization: string | undefined;
}

/** Discord's REST API: rejects what the path says, and records the callers. */
async function startApi() {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    const path = (request.url ?? '').replace('/v10', '');
    calls.push({ path, authorization: request.headers.authorization });
    const isRefused = path.includes('expired') || path.includes('401');
    response.writeHead(isRefused ? 401 : 200, { 'content-type': 'application/json' });
    response.end(isRefused ? '{"code":50027,"message":"Invalid Webhook Token"}' : '{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { log, lines } = recordingLog();
  const rest = createDiscordRest({
    config: {
      ordinal: 0,
      discordApiUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      discordToken: 'the-token',
    },
    pods: 1,
    log,
  });
  return {
    rest,
    calls,
    lines,
    async [Symbol.asyncDispose]() {
      rest.clearHashSweeper();
      rest.clearHandlerSweeper();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("a route with a token in its path is called without the bot's token, every other route with it", async () => {
  await using api = await startApi();
  const { rest, calls } = api;
  const message = '1234567890';
  const withTokenInPath: readonly RouteLike[] = [
    Routes.interactionCallback('1', 'token'),
    Routes.webhook('1', 'token'),
    `${Routes.webhook('1', 'token')}?wait=true`,
    Routes.webhookMessage('1', 'token'),
    Routes.webhookMessage('1', 'token', message),
    Routes.webhookPlatform('1', 'token', 'slack'),
  ];
  for (const fullRoute of withTokenInPath) await rest.request({ fullRoute, method: RequestMethod.Post, body: {} });
  assert.deepEqual(
    calls.splice(0).map(({ authorization }) => authorization),
    withTokenInPath.map(() => undefined),
  );
  const others: readonly RouteLike[] = [
    ...[Routes.webhook('1'), `${Routes.webhook('1')}?a=/b`, Routes.channelWebhooks('1'), Routes.guildWebhooks('1')],
    ...[Routes.channelMessage('1', message), Routes.applicationCommands('1'), Routes.gatewayBot(), '/webhooks/1/'],
  ] as RouteLike[];
  for (const fullRoute of others) await rest.request({ fullRoute, method: RequestMethod.Get });
  assert.deepEqual(
    calls.map(({ authorization }) => authorization),
    others.map(() => 'Bot the-token'),
  );
});

test("after a rejected call, with its own token or the bot's, other calls go on; a rejected bot token is logged once", async () => {
  await using api = await startApi();
  const { rest, calls, lines } = api;
  const refused = { code: 50027, status: 401 };
  await assert.rejects(rest.patch(Routes.webhookMessage('1', 'expired'), { body: {} }), refused);
  assert.equal(lines.length, 0, "an expired token is its caller's business");
  for (let i = 0; i < 3; i++) await assert.rejects(rest.get(Routes.channel('401')), refused);
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.level, 'error');
  assert.match(lines[0]?.text ?? '', /401.*DISCORD_TOKEN.*restart/);
  assert.equal(lines[0]?.facts.path, '/v10/channels/401');
  await rest.get(Routes.channel('2'));
  assert.deepEqual(calls.at(-1), { path: '/channels/2', authorization: 'Bot the-token' });
  await assert.rejects(rest.get(Routes.channel('401')), refused);
  assert.equal(lines.length, 2, 'and again when it was taken meanwhile');
});
