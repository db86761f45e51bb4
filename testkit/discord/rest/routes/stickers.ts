import type { UploadedFile } from '../../store/files.ts';
import type { GuildSticker } from '../../world/guild.ts';
import { DiscordError, FormErrors } from '../errors.ts';
import { createLookup } from '../lookup.ts';
import type { RestRequest, Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

const STICKERS = '/guilds/:guild/stickers';
const STICKER = `${STICKERS}/:sticker`;
/** `format_type` by the type of the file. */
const FORMATS: Readonly<Record<string, number>> = {
  'image/png': 1,
  'image/apng': 2,
  'application/json': 3,
  'image/gif': 4,
};

type StickerFields = Partial<Pick<GuildSticker, 'name' | 'description' | 'tags'>>;

/** Routes of guild stickers. */
export function stickerRoutes({ ids, world, messages, dispatch }: WorldParts): Route[] {
  const lookup = createLookup(world, messages);
  const stickerOf = (request: RestRequest): GuildSticker => {
    const sticker = lookup.guild(request).stickers.find(({ id }) => id === request.params.sticker);
    if (sticker === undefined) throw new DiscordError(404, 10060);
    return sticker;
  };
  const changed = (request: RestRequest): void => {
    const guild = lookup.guild(request);
    world.keep(guild);
    dispatch('GUILD_STICKERS_UPDATE', { guild_id: guild.id, stickers: guild.stickers }, guild.id);
  };
  return [
    {
      method: 'GET',
      path: STICKERS,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: lookup.guild(request).stickers }),
    },
    {
      method: 'GET',
      path: STICKER,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: stickerOf(request) }),
    },
    {
      method: 'POST',
      path: STICKERS,
      auth: 'bot',
      handle(request) {
        const guild = lookup.guild(request);
        const { name, description, tags } = fieldsOf(request, 'new');
        const texts = { name: String(name), description: description || null, tags: String(tags) };
        const facts = { available: true, guild_id: guild.id, user: world.bot };
        const sticker: GuildSticker = {
          id: ids.next(),
          type: 2,
          format_type: formatOf(request.files),
          ...texts,
          ...facts,
        };
        guild.stickers.push(sticker);
        changed(request);
        return { status: 201, body: sticker };
      },
    },
    {
      method: 'PATCH',
      path: STICKER,
      auth: 'bot',
      handle(request) {
        const sticker = Object.assign(stickerOf(request), fieldsOf(request, 'changed'));
        changed(request);
        return { status: 200, body: sticker };
      },
    },
    {
      method: 'DELETE',
      path: STICKER,
      auth: 'bot',
      handle(request) {
        const { stickers } = lookup.guild(request);
        stickers.splice(stickers.indexOf(stickerOf(request)), 1);
        changed(request);
        return { status: 204 };
      },
    },
  ];
}

/** @throws DiscordError 50035 */
function fieldsOf({ json, files }: RestRequest, what: 'new' | 'changed'): StickerFields {
  const { name, description, tags } = (json ?? {}) as StickerFields;
  const errors = new FormErrors();
  if (what === 'new' || name !== undefined) errors.text('name', name, 2, 30);
  if (what === 'new' || tags !== undefined) errors.text('tags', tags, 1, 200);
  if (description) errors.text('description', description, 2, 100);
  if (what === 'new' && files.length === 0) errors.required('file');
  errors.throwIfAny();
  const fields = Object.entries({ name, description, tags }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(fields) as StickerFields;
}

const formatOf = ([file]: readonly UploadedFile[]): number => FORMATS[file?.contentType ?? ''] ?? 1;
