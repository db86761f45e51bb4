import type { APIMessage } from 'discord-api-types/v10';
import type { MessageChange, StoredMessage } from '../store/messages.ts';
import type { World } from '../world/world.ts';
import type { Dispatcher } from './dispatcher.ts';

/** Sends the event for a change of a message. Ephemeral messages have no events. */
export function dispatchMessageEvent(
  events: Dispatcher,
  world: World,
  change: MessageChange,
  { message, channelId, guildId, visibleTo }: StoredMessage,
): void {
  if (visibleTo !== null || change === 'bulk-delete') return;
  if (change === 'delete') {
    const place = guildId === null ? {} : { guild_id: guildId };
    events.send('MESSAGE_DELETE', { id: message.id, channel_id: channelId, ...place }, guildId);
    return;
  }
  const member = guildId === null ? undefined : world.guild(guildId)?.members.get(message.author.id);
  const place =
    guildId === null ? {} : { guild_id: guildId, ...(member === undefined ? {} : { member: withoutUser(member) }) };
  const isForBot =
    guildId === null || message.author.id === world.bot.id || message.mentions.some(({ id }) => id === world.bot.id);
  events.send(
    change === 'create' ? 'MESSAGE_CREATE' : 'MESSAGE_UPDATE',
    { ...message, ...place },
    guildId,
    isForBot ? {} : { withoutContent: () => JSON.stringify({ ...withoutContent(message), ...place }) },
  );
}

/** Another user's message as a bot without the message content intent receives it. */
function withoutContent(message: APIMessage): APIMessage {
  return { ...message, content: '', embeds: [], attachments: [], components: [] };
}

function withoutUser<T extends { user: unknown }>({ user: _user, ...member }: T): Omit<T, 'user'> {
  return member;
}
