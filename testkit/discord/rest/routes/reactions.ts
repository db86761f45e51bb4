import type { StoredMessage } from '../../store/messages.ts';
import {
  addReaction,
  clearReactions,
  parseEmoji,
  type ReactionEmoji,
  reactionUsers,
  removeReaction,
} from '../../store/reactions.ts';
import { createLookup, placeOf } from '../lookup.ts';
import { pageLimit } from '../paging.ts';
import type { RestRequest, Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

const REACTIONS = '/channels/:channel/messages/:message/reactions';

/** Routes of reactions. */
export function reactionRoutes({ world, messages, dispatch }: WorldParts): Route[] {
  const lookup = createLookup(world, messages);
  const emojiOf = ({ params }: RestRequest): ReactionEmoji => parseEmoji(params.emoji ?? '');
  const userOf = ({ params }: RestRequest): string => (params.user === '@me' ? world.bot.id : (params.user ?? ''));
  return [
    {
      method: 'PUT',
      path: `${REACTIONS}/:emoji/@me`,
      auth: 'bot',
      limit: { limit: 10, windowMs: 2_500, by: 'channel' },
      handle(request) {
        react({ world, dispatch }, lookup.message(request), emojiOf(request), world.bot.id);
        return { status: 204 };
      },
    },
    {
      method: 'DELETE',
      path: `${REACTIONS}/:emoji/:user`,
      auth: 'bot',
      handle(request) {
        unreact({ world, dispatch }, lookup.message(request), emojiOf(request), userOf(request));
        return { status: 204 };
      },
    },
    {
      method: 'GET',
      path: `${REACTIONS}/:emoji`,
      auth: 'bot',
      handle(request) {
        const after = BigInt(request.query.get('after') ?? '0');
        const users = reactionUsers(lookup.message(request), emojiOf(request)).filter((id) => BigInt(id) > after);
        return { status: 200, body: users.slice(0, pageLimit(request.query, 100, 25)).map((id) => world.user(id)) };
      },
    },
    {
      method: 'DELETE',
      path: `${REACTIONS}/:emoji`,
      auth: 'bot',
      handle(request) {
        const stored = lookup.message(request);
        const emoji = emojiOf(request);
        if (clearReactions(stored, emoji, world.bot.id)) {
          dispatch('MESSAGE_REACTION_REMOVE_EMOJI', { ...place(stored), emoji }, stored.guildId);
        }
        return { status: 204 };
      },
    },
    {
      method: 'DELETE',
      path: REACTIONS,
      auth: 'bot',
      handle(request) {
        const stored = lookup.message(request);
        if (clearReactions(stored, null, world.bot.id)) {
          dispatch('MESSAGE_REACTION_REMOVE_ALL', place(stored), stored.guildId);
        }
        return { status: 204 };
      },
    },
  ];
}

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
  const data = { ...place(stored), ...facts, ...(member === undefined ? {} : { member }) };
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
  const data = { ...place(stored), user_id: userId, emoji, burst: false, type: 0 };
  dispatch('MESSAGE_REACTION_REMOVE', data, stored.guildId);
}

const place = ({ message, channelId, guildId }: StoredMessage): object => ({
  channel_id: channelId,
  message_id: message.id,
  ...placeOf(guildId),
});
