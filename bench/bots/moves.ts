/** The bot of workload (r): a request writes a row of its guild, or counts them. */
import { defineBot } from '../../src/bot/index.ts';

export default defineBot({
  name: 'moves',
  tables: ['notes'],
  migrations: [
    `CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, guild_id TEXT NOT NULL, text TEXT NOT NULL);
     CREATE INDEX notes_of_guild ON notes (guild_id)`,
  ],
  async fetch(request, context) {
    const { guildId } = context;
    if (request.method === 'GET') {
      const row = context.db.get<{ count: number }>('SELECT count(*) AS count FROM notes WHERE guild_id = ?', guildId);
      return Response.json(row);
    }
    const text = await request.text();
    context.transaction((db) => db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', guildId, text));
    return new Response(null, { status: 201 });
  },
});
