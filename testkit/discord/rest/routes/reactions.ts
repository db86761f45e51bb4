import { react, reactionPlace, unreact } from '../../actions/reactions.ts';
import { clearReactions, parseEmoji, type ReactionEmoji, reactionUsers } from '../../store/reactions.ts';
import { createLookup } from '../lookup.ts';
import { pageLimit } from '../query.ts';
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
          dispatch('MESSAGE_REACTION_REMOVE_EMOJI', { ...reactionPlace(stored), emoji }, stored.guildId);
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
          dispatch('MESSAGE_REACTION_REMOVE_ALL', reactionPlace(stored), stored.guildId);
        }
        return { status: 204 };
      },
    },
  ];
}
