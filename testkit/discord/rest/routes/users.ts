import { leaveGuild } from '../../actions/guilds.ts';
import type { SimulatedGuild } from '../../world/guild.ts';
import { approximateCounts } from '../../world/guild-object.ts';
import { memberPermissions } from '../../world/permissions.ts';
import { DiscordError, FormErrors } from '../errors.ts';
import { hasFlag, pageLimit } from '../query.ts';
import type { Bearer, Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

/** The fields that a user has only in responses about the user. */
const PROFILE = { banner: null, accent_color: null };

/** Routes of users and their direct channels. */
export function userRoutes({ world, dispatch }: WorldParts): Route[] {
  return [
    {
      method: 'GET',
      path: '/users/@me',
      auth: 'user',
      handle({ bearer }) {
        requireScope(bearer, 'identify');
        const extra = { verified: true, mfa_enabled: false, locale: 'en-US', flags: 0 };
        return { status: 200, body: { ...world.user(bearer?.userId ?? world.bot.id), ...PROFILE, ...extra } };
      },
    },
    {
      method: 'PATCH',
      path: '/users/@me',
      auth: 'bot',
      handle({ json }) {
        const { username, avatar } = (json ?? {}) as { username?: string; avatar?: string | null };
        const errors = new FormErrors();
        if (username !== undefined) errors.text('username', username, 2, 32);
        errors.throwIfAny();
        if (username !== undefined) world.bot.username = username;
        if (avatar !== undefined) world.bot.avatar = avatar === null ? null : 'simulated';
        dispatch('USER_UPDATE', world.bot, null);
        return { status: 200, body: { ...world.bot, ...PROFILE } };
      },
    },
    {
      method: 'GET',
      path: '/users/@me/guilds',
      auth: 'user',
      handle({ query, bearer }) {
        requireScope(bearer, 'guilds');
        const userId = bearer?.userId ?? world.bot.id;
        const limit = pageLimit(query, 200, 200);
        const [before, after] = [query.get('before'), query.get('after')];
        const joined = world.guilds.ids.filter((id) => bearer === null || world.peek(id)?.members.has(userId));
        const sorted = joined.sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
        const fit = sorted
          .filter((id) => after === null || BigInt(id) > BigInt(after))
          .filter((id) => before === null || BigInt(id) < BigInt(before));
        const page = after === null && before !== null ? fit.slice(-limit) : fit.slice(0, limit);
        const counts = hasFlag(query, 'with_counts');
        return {
          status: 200,
          body: page.map((id) => partialGuild(world.peek(id) as SimulatedGuild, userId, counts)),
        };
      },
    },
    {
      method: 'GET',
      path: '/users/@me/guilds/:guild/member',
      auth: 'user',
      handle({ params, bearer }) {
        requireScope(bearer, 'guilds.members.read');
        const member = world.guild(params.guild ?? '')?.members.get(bearer?.userId ?? world.bot.id);
        if (member === undefined) throw new DiscordError(404, 10004);
        return { status: 200, body: member };
      },
    },
    {
      method: 'DELETE',
      path: '/users/@me/guilds/:guild',
      auth: 'bot',
      handle({ params }) {
        if (!leaveGuild({ world, dispatch }, params.guild ?? '')) throw new DiscordError(404, 10004);
        return { status: 204 };
      },
    },
    {
      method: 'POST',
      path: '/users/@me/channels',
      auth: 'bot',
      handle({ json }) {
        const recipient = (json as { recipient_id?: unknown } | undefined)?.recipient_id;
        if (typeof recipient !== 'string') throw new DiscordError(400, 50035);
        if (recipient === world.bot.id) throw new DiscordError(400, 50007);
        return { status: 200, body: world.directChannel(recipient) };
      },
    },
    {
      method: 'GET',
      path: '/users/:user',
      auth: 'bot',
      handle({ params }) {
        const id = params.user ?? '';
        if (!/^\d{1,20}$/.test(id)) throw new DiscordError(404, 10013);
        return { status: 200, body: { ...world.user(id), ...PROFILE } };
      },
    },
  ];
}

function partialGuild(guild: SimulatedGuild, userId: string, withCounts: boolean): object {
  return {
    id: guild.id,
    name: guild.name,
    icon: null,
    banner: null,
    owner: guild.ownerId === userId,
    permissions: memberPermissions(guild, userId).toString(),
    features: [],
    ...(withCounts ? approximateCounts(guild) : {}),
  };
}

/** @throws DiscordError 50025 if a user's token does not have the scope. The bot needs none. */
function requireScope(bearer: Bearer | null, scope: string): void {
  if (bearer !== null && !bearer.scopes.includes(scope)) throw new DiscordError(401, 50025);
}
