/** The moderation bot that ships with Guildway: warnings, notes, reports, message statistics, and a page for each guild. */
import { GatewayIntentBits } from 'discord-api-types/v10';
import { defineBot } from 'guildway';
import { modlog, modlogButtons } from './commands/modlog.ts';
import { note } from './commands/note.ts';
import { report, reportModal } from './commands/report.ts';
import { settings } from './commands/settings.ts';
import { timeoutButton, warn } from './commands/warn.ts';
import { onChannel, onGuild, onGuildChanged } from './events/guilds.ts';
import { onMessage } from './events/messages.ts';
import { serve } from './pages/serve.ts';
import { migrations, tables } from './store/schema.ts';

export default defineBot({
  name: 'modbot',
  intents: GatewayIntentBits.GuildMessages,
  tables,
  migrations,
  commands: [warn, note, modlog, report, settings],
  components: { timeout: timeoutButton, modlog: modlogButtons },
  modals: { report: reportModal },
  events: {
    MESSAGE_CREATE: onMessage,
    GUILD_CREATE: onGuild,
    GUILD_UPDATE: onGuildChanged,
    CHANNEL_CREATE: onChannel,
    CHANNEL_UPDATE: onChannel,
  },
  // A pod knows only its own guilds.
  routes: [{ path: '/api/overview', guild: { from: 'all' } }],
  fetch: serve,
});
