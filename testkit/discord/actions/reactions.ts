import { placeOf } from '../rest/lookup.ts';
import type { WorldParts } from '../rest/world-parts.ts';
import type { StoredMessage } from '../store/messages.ts';
import { addReaction, type ReactionEmoji, removeReaction } from '../store/reactions.ts';

/** Adds a user's reaction and sends the event. */
export function react(
  parts: Pick<WorldParts, 'world' | 'dispatch'>,
  stored: StoredMessage,
  emoji: ReactionEmoji,
  userId: string,
): void {
  const { world, dispatch } = parts;
  if (!addReaction(stored, emoji, userId, world.bot.id)) return;
  const member = stored.guildId === null ? undefined : world.guild(stored.guildId)?.members.get(userId);
  const facts = { user_id: userId, emoji, message_author_id: stored.message.author.id, burst: false, type: 0 };
  const data = { ...reactionPlace(stored), ...facts, ...(member === undefined ? {} : { member }) };
  dispatch('MESSAGE_REACTION_ADD', data, stored.guildId);
}

/** Removes a user's reaction and sends the event. */
export function unreact(
  { world, dispatch }: Pick<WorldParts, 'world' | 'dispatch'>,
  stored: StoredMessage,
  emoji: ReactionEmoji,
  userId: string,
): void {
  if (!removeReaction(stored, emoji, userId, world.bot.id)) return;
  const data = { ...reactionPlace(stored), user_id: userId, emoji, burst: false, type: 0 };
  dispatch('MESSAGE_REACTION_REMOVE', data, stored.guildId);
}

/** The place of a message as in the events of its reactions. */
export const reactionPlace = ({ message, channelId, guildId }: StoredMessage): object => ({
  channel_id: channelId,
  message_id: message.id,
  ...placeOf(guildId),
});
