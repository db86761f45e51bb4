import type { GuildEmoji } from '../../world/guild.ts';
import { DiscordError, FormErrors } from '../errors.ts';
import { createLookup } from '../lookup.ts';
import type { RestRequest, Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

const EMOJIS = '/guilds/:guild/emojis';

/** Routes of guild emojis. */
export function emojiRoutes({ ids, world, messages, dispatch }: WorldParts): Route[] {
  const lookup = createLookup(world, messages);
  const emojiOf = (request: RestRequest): GuildEmoji => {
    const emoji = lookup.guild(request).emojis.find(({ id }) => id === request.params.emoji);
    if (emoji === undefined) throw new DiscordError(404, 10014);
    return emoji;
  };
  const changed = (request: RestRequest): void => {
    const guild = lookup.guild(request);
    world.keep(guild);
    dispatch('GUILD_EMOJIS_UPDATE', { guild_id: guild.id, emojis: guild.emojis }, guild.id);
  };
  return [
    {
      method: 'GET',
      path: EMOJIS,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: lookup.guild(request).emojis }),
    },
    {
      method: 'GET',
      path: `${EMOJIS}/:emoji`,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: emojiOf(request) }),
    },
    {
      method: 'POST',
      path: EMOJIS,
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
        lookup.guild(request).emojis.push(emoji);
        changed(request);
        return { status: 201, body: emoji };
      },
    },
    {
      method: 'PATCH',
      path: `${EMOJIS}/:emoji`,
      auth: 'bot',
      handle(request) {
        const emoji = emojiOf(request);
        const { name, roles } = (request.json ?? {}) as { name?: string; roles?: string[] | null };
        if (name !== undefined) emoji.name = name;
        if (roles !== undefined) emoji.roles = roles ?? [];
        changed(request);
        return { status: 200, body: emoji };
      },
    },
    {
      method: 'DELETE',
      path: `${EMOJIS}/:emoji`,
      auth: 'bot',
      handle(request) {
        const { emojis } = lookup.guild(request);
        emojis.splice(emojis.indexOf(emojiOf(request)), 1);
        changed(request);
        return { status: 204 };
      },
    },
  ];
}
