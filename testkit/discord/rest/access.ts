import { PermissionFlagsBits as P } from 'discord-api-types/v10';
import type { GuildChannel } from '../world/channel.ts';
import { isVoice } from '../world/channel.ts';
import { ALL_PERMISSIONS, channelPermissions, memberPermissions } from '../world/permissions.ts';
import type { World } from '../world/world.ts';
import { DiscordError } from './errors.ts';
import { guildIdOf } from './lookup.ts';
import { NEEDS, type Needed, type Scene } from './needs.ts';
import type { RestRequest, Route } from './router.ts';

const PLACE = /^\/(guilds\/:guild|channels\/:channel)(?:\/|$)/;

/** Checks that the bot has the permissions that a route needs, in the guild or channel of the path. */
export class Access {
  readonly #parts: Pick<Scene, 'world' | 'messages'>;

  /** @throws Error if needs.ts does not have a route of a guild or channel */
  constructor(parts: Pick<Scene, 'world' | 'messages'>, routes: readonly Route[]) {
    this.#parts = parts;
    for (const { method, path, auth } of routes) {
      if (auth === 'bot' && PLACE.test(path) && NEEDS[`${method} ${path}`] === undefined)
        throw new Error(`rest/needs.ts does not say which permissions ${method} ${path} needs`);
    }
  }

  /**
   * @param name of the route
   * @returns the bot's permissions in the guild or channel; all outside of guilds
   * @throws DiscordError 10003, 10004 if it does not exist; 50001 if the bot does not see it; 50013 without the permissions
   */
  check(name: string, request: Omit<RestRequest, 'granted'>): bigint {
    const needs = NEEDS[name];
    if (needs === undefined) return ALL_PERMISSIONS;
    const { world } = this.#parts;
    const place = placeOf(world, request.params);
    if (place === null) return ALL_PERMISSIONS;
    const { granted, channel } = place;
    const needed = typeof needs === 'function' ? needs({ ...this.#parts, request, channel }) : needs;
    requireAny(granted, implied(channel, needed));
    return granted;
  }
}

interface Place {
  readonly granted: bigint;
  readonly channel: GuildChannel | null;
}

/** The bot's permissions in the guild or channel of a path; null for a direct channel. */
function placeOf(world: World, params: RestRequest['params']): Place | null {
  if (params.guild !== undefined) {
    const guild = world.guild(params.guild);
    if (guild === undefined) throw new DiscordError(404, 10004);
    return { granted: memberPermissions(guild, world.bot.id), channel: null };
  }
  const channel = world.channel(params.channel ?? '');
  if (channel === undefined) throw new DiscordError(404, 10003);
  const guildId = guildIdOf(channel);
  if (guildId === null) return null;
  return { granted: permissionsAt(world, guildId, channel as GuildChannel), channel: channel as GuildChannel };
}

/** The bot's permissions in a channel. @throws DiscordError 50001 if the bot does not see the channel */
function permissionsAt(world: World, guildId: string, channel: GuildChannel): bigint {
  const guild = world.guild(guildId);
  const granted = guild === undefined ? 0n : channelPermissions(guild, world.bot.id, channel);
  if ((granted & P.ViewChannel) === 0n) throw new DiscordError(403, 50001);
  return granted;
}

/** In a voice channel every permission needs Connect, too. */
function implied(channel: GuildChannel | null, needed: Needed): Needed {
  if (channel === null || !isVoice(channel) || needed === 0n) return needed;
  return typeof needed === 'bigint' ? needed | P.Connect : needed.map((one) => one | P.Connect);
}

/** For routes whose path does not contain the channel. @throws DiscordError 10003, 50001, 50013 */
export function requireInChannel(world: World, channelId: string, needed: Needed): void {
  const channel = world.channel(channelId);
  if (channel === undefined) throw new DiscordError(404, 10003);
  const guildId = guildIdOf(channel);
  if (guildId !== null) requireAny(permissionsAt(world, guildId, channel as GuildChannel), needed);
}

/** @throws DiscordError 50013 */
export function requireAll(granted: bigint, needed: bigint): void {
  if ((granted & needed) !== needed) throw new DiscordError(403, 50013);
}

/** @throws DiscordError 50013 without all permissions of at least one alternative */
function requireAny(granted: bigint, needed: Needed): void {
  const alternatives = typeof needed === 'bigint' ? [needed] : needed;
  if (!alternatives.some((one) => (granted & one) === one)) throw new DiscordError(403, 50013);
}
