/** The bot of workload (g) for Guildway. `peers/servers/notes.mjs` has the same bot for a process without Guildway. */
import { defineBot, optionsOf, reply } from '../../src/bot/index.ts';

export default defineBot({
  name: 'notes',
  tables: ['notes'],
  migrations: [
    `CREATE TABLE notes (id INTEGER PRIMARY KEY, guild_id TEXT NOT NULL, user_id TEXT NOT NULL, text TEXT NOT NULL);
     CREATE INDEX notes_of_guild ON notes (guild_id)`,
  ],
  commands: [
    {
      name: 'note',
      description: 'Keeps a note and says how many there are',
      options: [{ type: 3, name: 'text', description: 'The note', required: true }],
      run(interaction, context) {
        const text = optionsOf(interaction).string('text') ?? '';
        const userId = interaction.member?.user.id ?? '';
        const count = context.transaction((db) => {
          db.run('INSERT INTO notes (guild_id, user_id, text) VALUES (?, ?, ?)', context.guildId, userId, text);
          return db.get<{ count: number }>('SELECT COUNT(*) AS count FROM notes WHERE guild_id = ?', context.guildId)
            ?.count;
        });
        return reply(`Note ${count} is kept.`);
      },
    },
  ],
});
