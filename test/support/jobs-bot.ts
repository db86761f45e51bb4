import { type BotContext, defineBot } from '../../src/bot/index.ts';

/** A bot with a job and a cron job. `GET /api/guilds/<guild>/ran` lists what has run. */
const ran = (context: BotContext, what: string): void =>
  context.transaction((db) => {
    db.run('INSERT INTO ran (guild_id, what) VALUES (?, ?)', context.guildId, what);
  });

export default defineBot({
  name: 'jobs',
  tables: ['ran'],
  migrations: [
    'CREATE TABLE ran (guild_id TEXT NOT NULL, what TEXT NOT NULL); CREATE INDEX ran_by_guild ON ran (guild_id)',
  ],
  commands: [
    {
      name: 'remind',
      description: 'Reminds in two hours',
      run(_, context) {
        context.schedule('remind', 'two hours', { inMs: 7_200_000 });
        return { type: 4, data: { content: 'in two hours' } };
      },
    },
    {
      name: 'talk',
      description: 'Responds, and says two things more',
      run(_, context) {
        context.followUp('one');
        context.followUp('two');
        return { type: 4, data: { content: 'response' } };
      },
      after: (context, message) => ran(context, `after ${message.content} ${message.id}`),
    },
  ],
  jobs: { remind: { run: (what: string, context) => ran(context, what) } },
  cron: { daily: { every: '1d', per: 'guild', run: (context) => ran(context, 'a day') } },
  fetch: (_, { db, guildId }) =>
    Response.json(db.all('SELECT what FROM ran WHERE guild_id = ? ORDER BY rowid', guildId)),
});
