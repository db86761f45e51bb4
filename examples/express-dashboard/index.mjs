// A bot with a dashboard: discord.js, Express and better-sqlite3 in one process. It knows nothing of Guildway.
import Database from 'better-sqlite3';
import { Client, Events, GatewayIntentBits, SlashCommandBuilder } from 'discord.js';
import express from 'express';

const db = new Database('bot.sqlite');
db.pragma('journal_mode = WAL');
db.exec(`
  CREATE TABLE IF NOT EXISTS tags (guild_id TEXT, name TEXT, content TEXT, PRIMARY KEY (guild_id, name));
  CREATE TABLE IF NOT EXISTS points (guild_id TEXT, user_id TEXT, points INTEGER, PRIMARY KEY (guild_id, user_id));
`);

const text = (name) => (option) => option.setName(name).setDescription(name).setRequired(true);
const COMMANDS = [
  new SlashCommandBuilder()
    .setName('tag')
    .setDescription('Texts to repeat')
    .addSubcommand((add) =>
      add.setName('add').setDescription('Add a tag').addStringOption(text('name')).addStringOption(text('content')),
    )
    .addSubcommand((show) => show.setName('show').setDescription('Show a tag').addStringOption(text('name'))),
  new SlashCommandBuilder().setName('points').setDescription('Who writes most'),
];

const client = new Client({
  intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages, GatewayIntentBits.MessageContent],
});
client.once(Events.ClientReady, (ready) => ready.application.commands.set(COMMANDS));
client.on(Events.MessageCreate, (message) => {
  if (message.author.bot || message.guildId === null) return;
  db.prepare(
    'INSERT INTO points (guild_id, user_id, points) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET points = points + 1',
  ).run(message.guildId, message.author.id);
});
client.on(Events.InteractionCreate, async (interaction) => {
  if (!interaction.isChatInputCommand()) return;
  const { guildId, options } = interaction;
  if (interaction.commandName === 'points') {
    const rows = db.prepare('SELECT user_id, points FROM points WHERE guild_id = ?').all(guildId);
    await interaction.reply(rows.map((row) => `<@${row.user_id}>: ${row.points}`).join('\n') || 'Nobody yet.');
    return;
  }
  const name = options.getString('name');
  if (options.getSubcommand() === 'add') {
    const { changes } = db
      .prepare('INSERT OR IGNORE INTO tags (guild_id, name, content) VALUES (?, ?, ?)')
      .run(guildId, name, options.getString('content'));
    await interaction.reply(changes === 1 ? `Tag ${name} added.` : 'That tag already exists.');
    return;
  }
  await interaction.deferReply();
  const tag = db.prepare('SELECT content FROM tags WHERE guild_id = ? AND name = ?').get(guildId, name);
  await interaction.editReply(tag?.content ?? `Could not find tag: ${name}`);
});

const app = express();
app.use(express.urlencoded({ extended: false }));
app.get('/', (_request, response) => {
  response.type('html').send(`<ul>${client.guilds.cache.map(({ id, name }) => `<li>${id} ${name}`).join('')}</ul>`);
});
app.get('/servers/:guild/tags', (request, response) => {
  const guild = client.guilds.cache.get(request.params.guild);
  if (guild === undefined) return response.status(404).send('I am not in this server.');
  const tags = db.prepare('SELECT name, content FROM tags WHERE guild_id = ?').all(guild.id);
  return response.json({ server: guild.name, tags });
});
app.post('/servers/:guild/tags', (request, response) => {
  const { name, content } = request.body;
  db.prepare('INSERT OR REPLACE INTO tags (guild_id, name, content) VALUES (?, ?, ?)').run(
    request.params.guild,
    name,
    content,
  );
  response.redirect(303, `/servers/${request.params.guild}/tags`);
});
app.get('/servers/:guild/live', (request, response) => {
  response.set('content-type', 'text/event-stream');
  const onMessage = (message) => {
    if (message.guildId === request.params.guild) response.write(`data: ${JSON.stringify(message.content)}\n\n`);
  };
  response.write(': hello\n\n');
  client.on(Events.MessageCreate, onMessage);
  response.once('close', () => client.off(Events.MessageCreate, onMessage));
});
app.listen(Number(process.env.PORT ?? 3000));

client.login(process.env.DISCORD_TOKEN);
