// A bot on @discordjs/core, without a Client and without caches. It knows nothing of Guildway.
import { DatabaseSync } from 'node:sqlite';
import { Client, GatewayDispatchEvents, GatewayIntentBits } from '@discordjs/core';
import { REST } from '@discordjs/rest';
import { WebSocketManager } from '@discordjs/ws';

const db = new DatabaseSync('bot.sqlite');
db.exec(`
  PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS tags (guild_id TEXT, name TEXT, content TEXT, PRIMARY KEY (guild_id, name));
  CREATE TABLE IF NOT EXISTS points (guild_id TEXT, user_id TEXT, points INTEGER, PRIMARY KEY (guild_id, user_id));
`);

const text = (name) => ({ type: 3, name, description: name, required: true });
const COMMANDS = [
  {
    name: 'tag',
    description: 'Texts to repeat',
    options: [
      { type: 1, name: 'add', description: 'Add a tag', options: [text('name'), text('content')] },
      { type: 1, name: 'show', description: 'Show a tag', options: [text('name')] },
    ],
  },
  { name: 'points', description: 'Who writes most' },
];

const token = process.env.DISCORD_TOKEN;
const rest = new REST({ version: '10' }).setToken(token);
const gateway = new WebSocketManager({
  token,
  rest,
  intents: GatewayIntentBits.Guilds | GatewayIntentBits.GuildMessages | GatewayIntentBits.MessageContent,
});
const client = new Client({ rest, gateway });

client.once(GatewayDispatchEvents.Ready, async ({ data, api }) => {
  console.log(`Ready, in ${data.guilds.length} guilds`);
  await api.applicationCommands.bulkOverwriteGlobalCommands(data.application.id, COMMANDS);
});

client.on(GatewayDispatchEvents.MessageCreate, ({ data }) => {
  if (data.author.bot || data.guild_id === undefined) return;
  db.prepare(
    'INSERT INTO points (guild_id, user_id, points) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET points = points + 1',
  ).run(data.guild_id, data.author.id);
});

client.on(GatewayDispatchEvents.InteractionCreate, async ({ data: interaction, api }) => {
  const { id, token: key, application_id: application, guild_id: guild, data } = interaction;
  if (data.name === 'points') {
    const rows = db.prepare('SELECT user_id, points FROM points WHERE guild_id = ?').all(guild);
    const content = rows.map((row) => `<@${row.user_id}>: ${row.points}`).join('\n') || 'Nobody yet.';
    await api.interactions.reply(id, key, { content });
    return;
  }
  const [{ name: subcommand, options }] = data.options;
  const given = Object.fromEntries(options.map(({ name, value }) => [name, value]));
  if (subcommand === 'add') {
    const { changes } = db
      .prepare('INSERT OR IGNORE INTO tags (guild_id, name, content) VALUES (?, ?, ?)')
      .run(guild, given.name, given.content);
    const content = Number(changes) === 1 ? `Tag ${given.name} added.` : 'That tag already exists.';
    await api.interactions.reply(id, key, { content });
    return;
  }
  await api.interactions.defer(id, key);
  const tag = db.prepare('SELECT content FROM tags WHERE guild_id = ? AND name = ?').get(guild, given.name);
  await api.interactions.editReply(application, key, { content: tag?.content ?? `Could not find tag: ${given.name}` });
});

await gateway.connect();
