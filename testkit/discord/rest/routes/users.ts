import { leaveGuild } from '../../actions/guilds.ts';
import type { SimulatedGuild } from '../../world/guild.ts';
import { approximateCounts } from '../../world/guild-object.ts';
import { memberPermissions } from '../../world/permissions.ts';
import type { World } from '../../world/world.ts';
import { DiscordError } from '../errors.ts';
import { pageLimit } from '../paging.ts';
import type { Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

/** Routes of users and their direct channels. */
export function userRoutes({ world, dispatch }: WorldParts): Route[] {
  return [
    { method: 'GET', path: '/users/@me', auth: 'bot', handle: () => ({ status: 200, body: world.bot }) },
    {
      method: 'GET',
      path: '/users/@me/guilds',
      auth: 'bot',
      handle({ query }) {
        const limit = pageLimit(query, 200, 200);
        const [before, after] = [query.get('before'), query.get('after')];
        const sorted = [...world.guilds.ids].sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
        const fit = sorted
          .filter((id) => after === null || BigInt(id) > BigInt(after))
          .filter((id) => before === null || BigInt(id) < BigInt(before));
        const page = after === null && before !== null ? fit.slice(-limit) : fit.slice(0, limit);
        const counts = query.get('with_counts') === 'true';
        return {
          status: 200,
          body: page.map((id) => partialGuild(world, world.peek(id) as SimulatedGuild, counts)),
        };
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
        return { status: 200, body: { ...world.user(id), banner: null, accent_color: null } };
      },
    },
  ];
}

function partialGuild({ bot }: World, guild: SimulatedGuild, withCounts: boolean): object {
  return {
    id: guild.id,
    name: guild.name,
    icon: null,
    banner: null,
    owner: guild.ownerId === bot.id,
    permissions: memberPermissions(guild, bot.id).toString(),
    features: [],
    ...(withCounts ? approximateCounts(guild) : {}),
  };
}
