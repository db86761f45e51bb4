/** A bot that receives interactions over HTTP in one process: Express, the middleware of discord-interactions, better-sqlite3. */
import { InteractionResponseType, verifyKeyMiddleware } from 'discord-interactions';
import express from 'express';
import { keepNote } from './notes.mjs';

const app = express();

app.post('/webhooks/discord', verifyKeyMiddleware(process.env.DISCORD_PUBLIC_KEY), (request, response) => {
  const { guild_id: guildId, member, data } = request.body;
  const count = keepNote(guildId, member.user.id, data.options[0].value);
  response.json({
    type: InteractionResponseType.CHANNEL_MESSAGE_WITH_SOURCE,
    data: { content: `Note ${count} is kept.` },
  });
});

app.listen(Number(process.env.PORT), '127.0.0.1', () => process.send({ ready: true }));
