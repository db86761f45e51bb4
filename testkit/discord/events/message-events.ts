import type { APIMessage } from 'discord-api-types/v10';
import type { SessionIndex } from '../gateway/session-index.ts';
import type { MessageChange, StoredMessage } from '../store/messages.ts';
import type { World } from '../world/world.ts';

/**
 * Sends the event for a change of a message to the gateway's sessions. Ephemeral messages have no events.
 * @returns the number of sessions that received it
 */
export function deliverMessageEvent(
  sessions: SessionIndex,
  world: World,
  change: MessageChange,
  { message, channelId, guildId, visibleTo }: StoredMessage,
): number {
  if (visibleTo !== null || sessions.size === 0 || change === 'bulk-delete') return 0;
  const guild = guildId === null ? null : world.guild(guildId);
  // In a guild without the bot, interactions work, but the bot gets no events.
  if (guild === undefined) return 0;
  if (change === 'delete') {
    const json = JSON.stringify({
      id: message.id,
      channel_id: channelId,
      ...(guildId === null ? {} : { guild_id: guildId }),
    });
    return sessions.deliver('MESSAGE_DELETE', guildId, json);
  }
  const member = guild?.members.get(message.author.id);
  const place =
    guildId === null ? {} : { guild_id: guildId, ...(member === undefined ? {} : { member: withoutUser(member) }) };
  const isForBot =
    guildId === null || message.author.id === world.bot.id || message.mentions.some(({ id }) => id === world.bot.id);
  return sessions.deliver(
    change === 'create' ? 'MESSAGE_CREATE' : 'MESSAGE_UPDATE',
    guildId,
    JSON.stringify({ ...message, ...place }),
    isForBot ? undefined : () => JSON.stringify({ ...withoutContent(message), ...place }),
  );
}

/** Another user's message as a bot without the message content intent receives it. */
function withoutContent(message: APIMessage): APIMessage {
  return { ...message, content: '', embeds: [], attachments: [], components: [] };
}

function withoutUser<T extends { user: unknown }>({ user: _user, ...member }: T): Omit<T, 'user'> {
  return member;
}
