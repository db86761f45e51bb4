import type { World } from '../../world/world.ts';
import { DiscordError } from '../errors.ts';
import type { Route } from '../router.ts';

/** The bot's own user, other users, and the channels between them. */
export function userRoutes(world: World): Route[] {
  return [
    { method: 'GET', path: '/users/@me', auth: 'bot', handle: () => ({ status: 200, body: world.bot }) },
    {
      method: 'GET',
      path: '/users/@me/guilds',
      auth: 'bot',
      handle({ query }) {
        const after = query.get('after');
        const limit = Math.min(200, Number(query.get('limit') ?? 200));
        const sorted = [...world.guilds.ids].sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
        const page = sorted.filter((id) => after === null || BigInt(id) > BigInt(after)).slice(0, limit);
        return {
          status: 200,
          body: page.map((id) => ({ id, name: world.guild(id)?.name, owner: false, features: [] })),
        };
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
        return { status: 200, body: world.user(id) };
      },
    },
  ];
}
