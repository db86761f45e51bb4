import type { GuildEmoji } from '../../world/guild.ts';
import { DiscordError, FormErrors } from '../errors.ts';
import { createLookup } from '../lookup.ts';
import type { RestRequest, Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

/** The emojis that a path names. */
interface Emojis {
  readonly list: GuildEmoji[];
  /** Called after a change. */
  changed(): void;
}

/** Routes of the emojis of guilds and of the application. */
export function emojiRoutes(parts: WorldParts, applicationId: string): Route[] {
  const { world, messages, dispatch } = parts;
  const lookup = createLookup(world, messages);
  const ofApplication: Emojis = { list: [], changed: () => {} };
  const ofGuild = (request: RestRequest): Emojis => {
    const guild = lookup.guild(request);
    return {
      list: guild.emojis,
      changed() {
        world.keep(guild);
        dispatch('GUILD_EMOJIS_UPDATE', { guild_id: guild.id, emojis: guild.emojis }, guild.id);
      },
    };
  };
  return [
    ...routesAt('/guilds/:guild/emojis', parts, { of: ofGuild, listed: (emojis) => emojis }),
    ...routesAt('/applications/:application/emojis', parts, {
      of({ params }) {
        if (params.application !== applicationId) throw new DiscordError(403, 50001);
        return ofApplication;
      },
      listed: (items) => ({ items }),
    }),
  ];
}

interface Collection {
  of(request: RestRequest): Emojis;
  /** The form of the list. */
  listed(emojis: readonly GuildEmoji[]): unknown;
}

function routesAt(path: string, { ids, world }: WorldParts, { of, listed }: Collection): Route[] {
  const emojiOf = (request: RestRequest): GuildEmoji => {
    const emoji = of(request).list.find(({ id }) => id === request.params.emoji);
    if (emoji === undefined) throw new DiscordError(404, 10014);
    return emoji;
  };
  return [
    { method: 'GET', path, auth: 'bot', handle: (request) => ({ status: 200, body: listed(of(request).list) }) },
    {
      method: 'GET',
      path: `${path}/:emoji`,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: emojiOf(request) }),
    },
    {
      method: 'POST',
      path,
      auth: 'bot',
      handle(request) {
        const { name, image, roles = [] } = (request.json ?? {}) as { name?: string; image?: string; roles?: string[] };
        const errors = new FormErrors();
        errors.text('name', name, 2, 32);
        if (!image?.startsWith('data:image/')) errors.add('image', 'IMAGE_INVALID', 'Invalid image data');
        errors.throwIfAny();
        const animated = image?.startsWith('data:image/gif') === true;
        const facts = { require_colons: true, managed: false, animated, available: true };
        const emoji = { id: ids.next(), name: String(name), roles, user: world.bot, ...facts };
        const emojis = of(request);
        emojis.list.push(emoji);
        emojis.changed();
        return { status: 201, body: emoji };
      },
    },
    {
      method: 'PATCH',
      path: `${path}/:emoji`,
      auth: 'bot',
      handle(request) {
        const emoji = emojiOf(request);
        const { name, roles } = (request.json ?? {}) as { name?: string; roles?: string[] | null };
        if (name !== undefined) emoji.name = name;
        if (roles !== undefined) emoji.roles = roles ?? [];
        of(request).changed();
        return { status: 200, body: emoji };
      },
    },
    {
      method: 'DELETE',
      path: `${path}/:emoji`,
      auth: 'bot',
      handle(request) {
        const { list, changed } = of(request);
        list.splice(list.indexOf(emojiOf(request)), 1);
        changed();
        return { status: 204 };
      },
    },
  ];
}
