import { PermissionFlagsBits as P } from 'discord-api-types/v10';
import type { StoredMessage } from '../../store/messages.ts';
import { DiscordError } from '../errors.ts';
import { createLookup, placeOf } from '../lookup.ts';
import { pageLimit } from '../query.ts';
import type { RestRequest, Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

const MAX_PINS = 250;
const PIN_ADDED = 6;

/** Routes of pinned messages, under the current path (`/messages/pins`) and the old one (`/pins`). */
export function pinRoutes({ ids, world, messages, builder, dispatch }: WorldParts): Route[] {
  const lookup = createLookup(world, messages);
  /** The time of each pin, by message id. */
  const pinnedAt = new Map<string, string>();
  const pinsOf = (request: RestRequest): StoredMessage[] =>
    messages
      .all(lookup.channel(request).id)
      // Without the permission Discord returns an empty list instead of an error.
      .filter(({ message }) => message.pinned && (request.granted & P.ReadMessageHistory) !== 0n)
      .sort((a, b) => timeOf(b).localeCompare(timeOf(a)));
  const timeOf = ({ message }: StoredMessage): string => pinnedAt.get(message.id) ?? message.timestamp;

  const change = (stored: StoredMessage, pinned: boolean): void => {
    const { channelId, guildId, message } = stored;
    messages.replace(stored, { ...message, pinned });
    const last = pinned ? new Date().toISOString() : null;
    if (last !== null) pinnedAt.set(message.id, last);
    else pinnedAt.delete(message.id);
    const data = { channel_id: channelId, last_pin_timestamp: last, ...placeOf(guildId) };
    dispatch('CHANNEL_PINS_UPDATE', data, guildId);
  };
  const announce = (stored: StoredMessage): void => {
    const { channelId, guildId } = stored;
    const reference = { message_id: stored.message.id, channel_id: channelId, ...placeOf(guildId) };
    const message = builder.build({
      ...{ id: ids.next(), channelId, author: world.bot, body: {}, files: [] },
      extra: { type: PIN_ADDED, message_reference: reference },
    });
    messages.add({ message, channelId, guildId, visibleTo: null });
  };
  const change204 = (pinned: boolean) => (request: RestRequest) => {
    const stored = lookup.message(request);
    if (stored.message.pinned !== pinned) {
      if (pinned && pinsOf(request).length >= MAX_PINS) throw new DiscordError(400, 30003);
      change(stored, pinned);
      if (pinned) announce(stored);
    }
    return { status: 204 };
  };
  const paths = ['/channels/:channel/messages/pins/:message', '/channels/:channel/pins/:message'];
  return [
    ...paths.flatMap((path): Route[] => [
      { method: 'PUT', path, auth: 'bot', handle: change204(true) },
      { method: 'DELETE', path, auth: 'bot', handle: change204(false) },
    ]),
    {
      method: 'GET',
      path: '/channels/:channel/pins',
      auth: 'bot',
      handle: (request) => ({ status: 200, body: pinsOf(request).map(({ message }) => message) }),
    },
    {
      method: 'GET',
      path: '/channels/:channel/messages/pins',
      auth: 'bot',
      handle(request) {
        const before = request.query.get('before');
        const limit = pageLimit(request.query, 50, 50);
        const older = pinsOf(request).filter((stored) => before === null || timeOf(stored) < before);
        const items = older.slice(0, limit).map((stored) => ({ pinned_at: timeOf(stored), message: stored.message }));
        return { status: 200, body: { items, has_more: older.length > limit } };
      },
    },
  ];
}
