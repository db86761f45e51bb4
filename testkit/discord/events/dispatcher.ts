import { type GatewayDispatchEvents, GatewayIntentBits, PermissionFlagsBits as P } from 'discord-api-types/v10';
import type { SessionIndex } from '../gateway/session-index.ts';
import { channelOf } from '../world/guild.ts';
import { channelPermissions } from '../world/permissions.ts';
import type { World } from '../world/world.ts';

/** The name of a gateway event: `CHANNEL_CREATE`. */
export type EventName = `${GatewayDispatchEvents}`;

/** The permissions that the bot needs in the channel (or the guild) of an event. Other events need none. */
const NEEDED: Readonly<Record<string, bigint>> = {
  MESSAGE_CREATE: P.ViewChannel,
  MESSAGE_UPDATE: P.ViewChannel,
  MESSAGE_DELETE: P.ViewChannel,
  MESSAGE_DELETE_BULK: P.ViewChannel,
  MESSAGE_REACTION_ADD: P.ViewChannel,
  MESSAGE_REACTION_REMOVE: P.ViewChannel,
  MESSAGE_REACTION_REMOVE_ALL: P.ViewChannel,
  MESSAGE_REACTION_REMOVE_EMOJI: P.ViewChannel,
  TYPING_START: P.ViewChannel,
  CHANNEL_PINS_UPDATE: P.ViewChannel,
  INVITE_CREATE: P.ManageChannels,
  INVITE_DELETE: P.ManageChannels,
  GUILD_AUDIT_LOG_ENTRY_CREATE: P.ViewAuditLog,
};

interface MemberEvent {
  readonly user?: { readonly id?: string };
  readonly added_members?: readonly { readonly user_id: string }[];
  readonly removed_member_ids?: readonly string[];
}

interface DispatchOptions {
  /** The data for sessions without the message content intent. */
  readonly withoutContent?: () => string;
}

/** Sends gateway events to the sessions whose shard, intents and permissions fit. Every event of the world passes here. */
export class Dispatcher {
  readonly #sessions: SessionIndex;
  readonly #world: World;

  constructor(sessions: SessionIndex, world: World) {
    this.#sessions = sessions;
    this.#world = world;
  }

  /**
   * @param guildId the guild of the event; null for events of direct channels and users
   * @returns the number of sessions that received it
   */
  send(name: EventName, data: object, guildId: string | null, options: DispatchOptions = {}): number {
    if (this.#sessions.size === 0) return 0;
    if (guildId !== null && !this.#isVisible(name, data, guildId)) return 0;
    const intents = this.#intents(name, data);
    return this.#sessions.deliver(name, guildId, JSON.stringify(data), { ...options, intents });
  }

  #isVisible(name: string, data: { channel_id?: unknown }, guildId: string): boolean {
    const guild = this.#world.guild(guildId);
    // Users can use the application in guilds without the bot. It gets interactions from there, but no other events.
    if (guild === undefined) return name === 'INTERACTION_CREATE' || name === 'GUILD_DELETE';
    const needed = NEEDED[name];
    if (needed === undefined) return true;
    const channel = typeof data.channel_id === 'string' ? channelOf(guild, data.channel_id) : undefined;
    return (channelPermissions(guild, this.#world.bot.id, channel) & needed) === needed;
  }

  /** The intents of events that are about the bot itself, which differ from those about others. */
  #intents(name: EventName, data: MemberEvent): number | undefined {
    const botId = this.#world.bot.id;
    if (name === 'GUILD_MEMBER_UPDATE' && data.user?.id === botId) return 0;
    if (name !== 'THREAD_MEMBERS_UPDATE') return undefined;
    const isOwn =
      data.added_members?.some(({ user_id }) => user_id === botId) || data.removed_member_ids?.includes(botId);
    return isOwn === true ? GatewayIntentBits.Guilds : GatewayIntentBits.GuildMembers;
  }
}
