/** The usual handling of interactions: Express, the middleware of discord-interactions, and fetch to the gateway pod. */
import { verifyKeyMiddleware } from 'discord-interactions';
import express from 'express';
import { getGatewayPodForGuild, pods, port, publicKey } from './shared.mjs';

const app = express();

app.post('/webhooks/discord', verifyKeyMiddleware(publicKey), async (request, response) => {
  const interaction = request.body;
  const pod = interaction.guild_id === undefined ? 0 : getGatewayPodForGuild(interaction.guild_id);
  const upstream = await fetch(`${pods[pod]}/webhooks/discord`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(interaction),
  });
  response.status(upstream.status).json(await upstream.json());
});

app.listen(port, '127.0.0.1');
