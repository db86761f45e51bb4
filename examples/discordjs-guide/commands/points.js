const { SlashCommandBuilder } = require('discord.js');
const { db } = require('../database.js');

module.exports = {
  data: new SlashCommandBuilder().setName('points').setDescription('Who writes most'),
  async execute(interaction) {
    const rows = db
      .prepare('SELECT user_id, points FROM points WHERE guild_id = ? ORDER BY points DESC LIMIT 10')
      .all(interaction.guildId);
    await interaction.reply(rows.map(({ user_id, points }) => `<@${user_id}>: ${points}`).join('\n') || 'Nobody yet.');
  },
};
