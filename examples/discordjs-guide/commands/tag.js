const { SlashCommandBuilder } = require('discord.js');
const { db } = require('../database.js');

module.exports = {
  data: new SlashCommandBuilder()
    .setName('tag')
    .setDescription('Texts to repeat')
    .addSubcommand((add) =>
      add
        .setName('add')
        .setDescription('Add a tag')
        .addStringOption((name) => name.setName('name').setDescription('Its name').setRequired(true))
        .addStringOption((content) => content.setName('content').setDescription('Its text').setRequired(true)),
    )
    .addSubcommand((show) =>
      show
        .setName('show')
        .setDescription('Show a tag')
        .addStringOption((name) => name.setName('name').setDescription('Its name').setRequired(true)),
    ),
  async execute(interaction) {
    const name = interaction.options.getString('name');
    if (interaction.options.getSubcommand() === 'add') {
      const content = interaction.options.getString('content');
      const insert = db.prepare('INSERT OR IGNORE INTO tags (guild_id, name, content) VALUES (?, ?, ?)');
      const { changes } = insert.run(interaction.guildId, name, content);
      return interaction.reply(changes === 1 ? `Tag ${name} added.` : 'That tag already exists.');
    }
    await interaction.deferReply();
    const use = db.prepare('UPDATE tags SET uses = uses + 1 WHERE guild_id = ? AND name = ? RETURNING content');
    const tag = use.get(interaction.guildId, name);
    return interaction.editReply(tag?.content ?? `Could not find tag: ${name}`);
  },
};
