// A bot on Eris with better-sqlite3. It knows nothing of Guildway.
const Eris = require('eris');
const Database = require('better-sqlite3');

const db = new Database('bot.sqlite');
db.exec(`
  CREATE TABLE IF NOT EXISTS tags (guild_id TEXT, name TEXT, content TEXT, PRIMARY KEY (guild_id, name));
  CREATE TABLE IF NOT EXISTS points (guild_id TEXT, user_id TEXT, points INTEGER, PRIMARY KEY (guild_id, user_id));
`);

const { Constants } = Eris;
const STRING = Constants.ApplicationCommandOptionTypes.STRING;
const SUB_COMMAND = Constants.ApplicationCommandOptionTypes.SUB_COMMAND;
const text = (name) => ({ type: STRING, name, description: name, required: true });
const COMMANDS = [
  {
    name: 'tag',
    description: 'Texts to repeat',
    type: Constants.ApplicationCommandTypes.CHAT_INPUT,
    options: [
      { type: SUB_COMMAND, name: 'add', description: 'Add a tag', options: [text('name'), text('content')] },
      { type: SUB_COMMAND, name: 'show', description: 'Show a tag', options: [text('name')] },
    ],
  },
  { name: 'points', description: 'Who writes most', type: Constants.ApplicationCommandTypes.CHAT_INPUT },
];

const bot = new Eris(`Bot ${process.env.DISCORD_TOKEN}`, { intents: ['guilds', 'guildMessages', 'messageContent'] });

bot.on('ready', async () => {
  console.log(`Ready, in ${bot.guilds.size} guilds`);
  await bot.bulkEditCommands(COMMANDS);
});
bot.on('error', (error) => console.error(error));

bot.on('messageCreate', (message) => {
  if (message.author.bot || message.guildID === undefined) return;
  db.prepare(
    'INSERT INTO points (guild_id, user_id, points) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET points = points + 1',
  ).run(message.guildID, message.author.id);
});

bot.on('interactionCreate', async (interaction) => {
  if (!(interaction instanceof Eris.CommandInteraction)) return;
  const guild = interaction.guildID;
  if (interaction.data.name === 'points') {
    const rows = db.prepare('SELECT user_id, points FROM points WHERE guild_id = ?').all(guild);
    await interaction.createMessage(rows.map((row) => `<@${row.user_id}>: ${row.points}`).join('\n') || 'Nobody yet.');
    return;
  }
  const [{ name: subcommand, options }] = interaction.data.options;
  const given = Object.fromEntries(options.map(({ name, value }) => [name, value]));
  if (subcommand === 'add') {
    const { changes } = db
      .prepare('INSERT OR IGNORE INTO tags (guild_id, name, content) VALUES (?, ?, ?)')
      .run(guild, given.name, given.content);
    await interaction.createMessage(changes === 1 ? `Tag ${given.name} added.` : 'That tag already exists.');
    return;
  }
  await interaction.defer();
  const tag = db.prepare('SELECT content FROM tags WHERE guild_id = ? AND name = ?').get(guild, given.name);
  await interaction.editOriginalMessage(tag?.content ?? `Could not find tag: ${given.name}`);
});

bot.connect();
