import type { MessageStore, StoredMessage } from '../store/messages.ts';
import type { GuildChannel } from '../world/channel.ts';
import type { SimulatedGuild } from '../world/guild.ts';
import type { SimulatedChannel, World } from '../world/world.ts';
import { DiscordError } from './errors.ts';
import type { RestRequest } from './router.ts';

/** Finds the objects that a path names. Each method throws Discord's error if the object does not exist. */
export interface Lookup {
  /** @throws DiscordError 10004 */
  guild(request: RestRequest): SimulatedGuild;
  /** @throws DiscordError 10003 */
  channel(request: RestRequest): SimulatedChannel;
  /** A channel or thread of a guild, with its guild. @throws DiscordError 10003, 50024 for a direct channel */
  guildChannel(request: RestRequest): { channel: GuildChannel; guild: SimulatedGuild };
  /** @throws DiscordError 10003, 10008 */
  message(request: RestRequest): StoredMessage;
}

export function createLookup(world: World, messages: MessageStore): Lookup {
  const channel = ({ params }: RestRequest): SimulatedChannel => {
    const found = world.channel(params.channel ?? '');
    if (found === undefined) throw new DiscordError(404, 10003);
    return found;
  };
  return {
    channel,
    guild({ params }) {
      const guild = world.guild(params.guild ?? '');
      if (guild === undefined) throw new DiscordError(404, 10004);
      return guild;
    },
    guildChannel(request) {
      const found = channel(request);
      const guild = guildIdOf(found) === null ? undefined : world.guild(guildIdOf(found) as string);
      if (guild === undefined) throw new DiscordError(400, 50024);
      return { channel: found as GuildChannel, guild };
    },
    message(request) {
      const stored = messages.get(request.params.message ?? '');
      // Only the user sees an ephemeral message. The bot accesses it with the interaction's token.
      if (stored === undefined || stored.channelId !== channel(request).id || stored.visibleTo !== null) {
        throw new DiscordError(404, 10008);
      }
      return stored;
    },
  };
}

/** The guild of a channel; null for a direct channel. */
export function guildIdOf(channel: SimulatedChannel): string | null {
  return 'guild_id' in channel ? (channel.guild_id ?? null) : null;
}

/** `{ guild_id }` for events of a guild, `{}` for a direct channel. */
export const placeOf = (guildId: string | null): object => (guildId === null ? {} : { guild_id: guildId });
