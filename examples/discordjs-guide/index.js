// A bot as the discord.js guide builds it: a folder of commands, events, better-sqlite3. It knows nothing of Guildway.
const fs = require('node:fs');
const path = require('node:path');
const { Client, Collection, Events, GatewayIntentBits, MessageFlags } = require('discord.js');
const { db } = require('./database.js');

const client = new Client({
  intents: [GatewayIntentBits.Guilds, GatewayIntentBits.GuildMessages, GatewayIntentBits.MessageContent],
});
client.commands = new Collection();
const folder = path.join(__dirname, 'commands');
for (const file of fs.readdirSync(folder).filter((name) => name.endsWith('.js'))) {
  const command = require(path.join(folder, file));
  client.commands.set(command.data.name, command);
}

client.once(Events.ClientReady, async (ready) => {
  console.log(`Ready! Logged in as ${ready.user.tag}, in ${ready.guilds.cache.size} guilds`);
  await ready.application.commands.set(client.commands.map(({ data }) => data.toJSON()));
});

client.on(Events.InteractionCreate, async (interaction) => {
  if (!interaction.isChatInputCommand()) return;
  try {
    await client.commands.get(interaction.commandName).execute(interaction);
  } catch (error) {
    console.error(error);
    const content = 'There was an error while executing this command!';
    if (interaction.replied || interaction.deferred) {
      await interaction.followUp({ content, flags: MessageFlags.Ephemeral });
    } else {
      await interaction.reply({ content, flags: MessageFlags.Ephemeral });
    }
  }
});

// One point for each message.
const addPoint = db.prepare(
  'INSERT INTO points (guild_id, user_id, points) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET points = points + 1',
);
client.on(Events.MessageCreate, (message) => {
  if (message.author.bot || message.guildId === null) return;
  addPoint.run(message.guildId, message.author.id);
});

// Bots like this one tidy up when they are removed, and greet when they are added.
client.on(Events.GuildDelete, (guild) => {
  db.prepare('DELETE FROM points WHERE guild_id = ?').run(guild.id);
  db.prepare('DELETE FROM tags WHERE guild_id = ?').run(guild.id);
  console.log(`left ${guild.id}`);
});
client.on(Events.GuildCreate, (guild) => console.log(`joined ${guild.id}`));

setInterval(() => db.prepare('DELETE FROM points WHERE points = 0').run(), 60_000);

client.login(process.env.DISCORD_TOKEN);
