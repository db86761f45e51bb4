/** The published approach: Express, createHash('md5'), and fetch to the gateway pod's URL. */
import { Readable } from 'node:stream';
import express from 'express';
import { getGatewayPodForGuild, pods, port } from './shared.mjs';

const app = express();

function getGatewayUrl(guildId) {
  return pods[getGatewayPodForGuild(guildId)];
}

async function routeToGateway(guildId, path, init) {
  return fetch(`${getGatewayUrl(guildId)}${path}`, init);
}

function answer(response, status, headers) {
  response.status(status);
  for (const name of ['content-type', 'guildway-pod']) {
    const value = headers.get(name);
    if (value !== null) response.set(name, value);
  }
  return response;
}

app.post('/api/guilds/:guildId/upload', async (request, response) => {
  const upstream = await routeToGateway(request.params.guildId, request.originalUrl, {
    method: 'POST',
    headers: { 'content-type': request.get('content-type') },
    body: Readable.toWeb(request),
    duplex: 'half',
  });
  Readable.fromWeb(upstream.body).pipe(answer(response, upstream.status, upstream.headers));
});

app.use(express.json());
app.all('/api/guilds/:guildId/{*rest}', async (request, response) => {
  try {
    const upstream = await routeToGateway(request.params.guildId, request.originalUrl, {
      method: request.method,
      headers: { 'content-type': 'application/json' },
      ...(request.method === 'GET' ? {} : { body: JSON.stringify(request.body) }),
    });
    answer(response, upstream.status, upstream.headers).send(await upstream.text());
  } catch {
    response.status(503).json({ error: 'the gateway pod is away' });
  }
});

app.listen(port, '127.0.0.1');
