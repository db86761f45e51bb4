import { GatewayIntentBits, Routes } from 'discord-api-types/v10';
import { defineBot, optionsOf, reply, whisper } from 'guildway';

const MINUTE_MS = 60_000;

export default defineBot({
  name: 'my-bot',
  // Tables with rows of guilds. Each pod has the rows of its own guilds.
  tables: ['greetings', 'messages'],
  // Each script runs once per database, in this order. Append to the list; never change a script that has run.
  migrations: [
    `CREATE TABLE greetings (guild_id TEXT PRIMARY KEY, count INTEGER NOT NULL);
     CREATE TABLE messages (guild_id TEXT PRIMARY KEY, count INTEGER NOT NULL)`,
  ],
  commands: [
    {
      name: 'hello',
      description: 'Counts greetings in this server',
      run(_interaction, context) {
        const row = context.transaction((db) => {
          db.run('INSERT INTO greetings VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1', context.guildId);
          return db.get<{ count: number }>('SELECT count FROM greetings WHERE guild_id = ?', context.guildId);
        });
        return reply(`Hello, number ${row?.count}!`);
      },
    },
    {
      name: 'remind',
      description: 'Reminds this channel later',
      options: [
        { type: 4, name: 'minutes', description: 'In how many minutes', required: true, min_value: 0 },
        { type: 3, name: 'text', description: 'What to say', required: true, max_length: 200 },
      ],
      run(interaction, context) {
        const options = optionsOf(interaction);
        const minutes = options.number('minutes') ?? 0;
        const payload = { channelId: interaction.channel.id, text: options.string('text') ?? '' };
        context.transaction(() => context.schedule('remind', payload, { inMs: minutes * MINUTE_MS }));
        return whisper(`I will say it in ${minutes} minutes.`);
      },
    },
  ],
  // Work for later. It survives restarts.
  jobs: {
    remind: {
      async run({ channelId, text }, context) {
        await context.rest.post(Routes.channelMessages(channelId), { body: { content: text } });
      },
    },
  },
  intents: GatewayIntentBits.GuildMessages,
  events: {
    MESSAGE_CREATE(message, context) {
      if (message.author.bot) return;
      context.transaction((db) => {
        db.run('INSERT INTO messages VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1', context.guildId);
      });
    },
  },
  // The page of a guild: /app/ followed by the guild's id.
  fetch(request, context) {
    if (new URL(request.url).pathname !== `/app/${context.guildId}`) return new Response(null, { status: 404 });
    const greetings = context.db.get<{ count: number }>(
      'SELECT count FROM greetings WHERE guild_id = ?',
      context.guildId,
    );
    const messages = context.db.get<{ count: number }>(
      'SELECT count FROM messages WHERE guild_id = ?',
      context.guildId,
    );
    return new Response(`${greetings?.count ?? 0} greetings, ${messages?.count ?? 0} messages\n`);
  },
});
