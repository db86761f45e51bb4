/** A typical bot: one process of discord.js with better-sqlite3 and default options. Interactions use the gateway, responses REST. */
import { once } from 'node:events';
import { Client, Events, GatewayIntentBits } from 'discord.js';
import { command, countMessage, keepNote } from './notes.mjs';

const client = new Client({
  intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages, GatewayIntentBits.MessageContent],
  rest: { api: process.env.DISCORD_API_URL },
});

client.on(Events.InteractionCreate, (interaction) => {
  if (!interaction.isChatInputCommand() || interaction.commandName !== 'note') return;
  const count = keepNote(interaction.guildId, interaction.user.id, interaction.options.getString('text', true));
  interaction.reply(`Note ${count} is kept.`).catch((error) => console.error(error));
});

client.on(Events.MessageCreate, (message) => {
  if (message.guildId === null || message.author.bot) return;
  countMessage(message.guildId, message.channelId, message.createdTimestamp);
});

const ready = once(client, Events.ClientReady);
await client.login(process.env.DISCORD_TOKEN);
await ready;
await client.application.commands.set([command]);
process.send({ ready: true });
