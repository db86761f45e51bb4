import type { BotContext, EventData } from 'guildway';
import { countMessage } from '../store/activity.ts';

/** Counts messages. The count and the event's identity are written in one transaction, so no message is counted twice. */
export function onMessage(message: EventData<'MESSAGE_CREATE'>, context: BotContext): void {
  const { guildId } = context;
  if (guildId === null || message.author.bot === true) return;
  context.transaction((db) => countMessage(db, guildId, message.channel_id, Date.parse(message.timestamp)));
}
