import type { BotContext, EventData } from 'guildway';
import { writeChannelName, writeGuildName } from '../store/guilds.ts';

/** A guild that becomes available after connecting, or that the bot has joined. */
export function onGuild(guild: EventData<'GUILD_CREATE'>, context: BotContext): void {
  // During a Discord outage, only the id is present.
  if (guild.unavailable === true) return;
  context.transaction((db) => {
    writeGuildName(db, guild.id, guild.name);
    for (const channel of guild.channels) writeChannelName(db, guild.id, channel.id, channel.name);
  });
}

export function onGuildChanged(guild: EventData<'GUILD_UPDATE'>, context: BotContext): void {
  context.transaction((db) => writeGuildName(db, guild.id, guild.name));
}

export function onChannel(
  channel: EventData<'CHANNEL_CREATE'> | EventData<'CHANNEL_UPDATE'>,
  context: BotContext,
): void {
  const { guildId } = context;
  if (guildId === null || channel.name === null || channel.name === undefined) return;
  const { name } = channel;
  context.transaction((db) => writeChannelName(db, guildId, channel.id, name));
}
