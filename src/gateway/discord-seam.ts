import type { REST } from '@discordjs/rest';
import type { GatewayReadyDispatchData, GatewaySendPayload } from 'discord-api-types/v10';
import type { Bot } from '../bot/define-bot.ts';
import type { GatewayConfig } from '../config/load.ts';
import type { GatewayRequest, GatewayResponse, RequestContext } from '../link/message.ts';
import type { Chain } from '../moving/state.ts';
import type { Readiness } from '../observability/admin-server.ts';
import type { Logger } from '../observability/log.ts';
import type { Registry } from '../observability/metrics.ts';
import type { Duration } from '../time.ts';
import type { SessionTiming } from './discord/timing.ts';
import type { EventFate } from './moving/guild-ownership.ts';

/**
 * The interface between the gateway service and its connections to Discord (`discord/`). Discord's side knows shards, sessions
 * and rate limits. The service's side knows the database and the bot.
 */

/** What a shard needs to resume its session in another process. */
export interface StoredSession {
  readonly sessionId: string;
  /** Every event up to this one has been handled. */
  readonly sequence: number;
  readonly resumeUrl: string;
  /** The shard count of its IDENTIFY. The session cannot resume with another. */
  readonly shardCount: number;
}

/** A session that an earlier process left. */
export interface KeptSession extends StoredSession {
  /** Consecutive resumes that Discord did not answer. */
  readonly failedResumes: number;
}

/**
 * Stores the sessions of this pod's shards. Calls are synchronous and commit without waiting for the disk: after a power loss,
 * the sequence rolls back together with the data of the events before it. A write takes about ten microseconds and deletes the
 * records of the events that it covers, so call it a few times per second and shard, not for each event. Throws STORE_FAILED;
 * Discord then delivers the events after the last successful write again.
 */
export interface SessionStore {
  read(shard: number): KeptSession | null;
  write(shard: number, session: StoredSession): void;
  /** Stores the number of consecutive resumes that Discord did not answer. */
  writeFailedResumes(shard: number, count: number): void;
  /** Deletes a session that has ended for good, and its guilds. The next connection identifies. */
  clear(shard: number): void;
  /** Ids of this pod's guilds in the shard's session. Discord lists them when a session begins, not when it resumes. */
  readGuilds(shard: number): string[];
  /** Whether a guild is in any shard's session. Such a row moves with its guild. */
  isListed(guildId: string): boolean;
  /** Replaces the ids, except those of guilds that are arriving. Writes only the changes. */
  writeGuilds(shard: number, guildIds: ReadonlySet<string>): void;
}

/** A gateway event: of a guild of this pod, of a guild of another pod (to be forwarded), or without a guild on pod 0. */
export interface GuildEvent {
  /** The type, such as `MESSAGE_CREATE`. */
  readonly name: string;
  readonly data: unknown;
  readonly guildId: string | null;
  readonly shard: number;
  /** With the sequence, the identity of the event. A repeated delivery changes nothing. */
  readonly sessionId: string;
  readonly sequence: number;
  /** It was held while its guild moved: later events of the session may have been passed on before it. */
  readonly wasHeld?: boolean;
}

/**
 * Passes an event to the bot. Resolves when the handler has finished, failed or exceeded its time limit. Never rejects. Events
 * of one guild are handled in order, those of different guilds concurrently. They finish out of order, so store the last
 * sequence before the first unfinished event.
 */
export type DispatchSink = (event: GuildEvent) => Promise<unknown>;

/**
 * Takes an event of a guild that another pod owns. Resolves when the event is on disk here, ready for delivery. Rejects if this
 * pod ends first; the next process then gets the event again.
 */
export type ForwardSink = (event: GuildEvent) => Promise<void>;

/** Who handles the events of a guild, while guilds move and otherwise. */
export interface EventOwnership {
  readonly ordinal: number;
  /** From the topology in force to the newest. */
  readonly chain: Chain;
  readonly isMoving: boolean;
  /** Resolves after the next change. */
  readonly changed: Promise<void>;
  eventsOf(guildId: string): EventFate;
  willOwn(guildId: string): boolean;
}

/** An event that an owner of its guild has handled. */
export interface HandledEvent {
  readonly sessionId: string;
  readonly sequence: number;
  readonly hash: string;
  readonly matchedSession: string | null;
  readonly matchedSequence: number | null;
}

/** Events of guilds that move: which were handled by whom. Everything commits `normal`, together with the work of the events. */
export interface HandledEventStore {
  /** Notes an event that is about to be handled, of a guild that is to leave. Again: no effect. */
  record(guildId: string, sessionId: string, sequence: number, hash: string): void;
  /** Inside the transaction that imports guilds: this pod handles their events from these sequences on. */
  imported(guildIds: readonly string[], starts: readonly EventStart[]): void;
  /** What the owners of a guild have handled lately. */
  listOf(guildId: string): HandledEvent[];
  /** The guilds that {@link listOf} has something of. */
  listed(): string[];
  /** An event of this pod's session was recognized as a handled one. */
  match(guildId: string, handled: HandledEvent, sessionId: string, sequence: number): void;
  starts(): EventStart[];
}

/** The first event of a guild that this pod handles in one of its sessions. */
export interface EventStart {
  readonly guildId: string;
  readonly sessionId: string;
  readonly sequence: number;
}

/** What the sessions tell the other pods, so that each event of a guild that moves is handled once. */
export interface EventHandover {
  /**
   * As a new owner: names the time since which this pod holds the events of all guilds that are to come, without a gap. Null: not long
   * enough, or not at all.
   */
  readonly holding: string | null;
  /** As an old owner: how long it has recorded what it handles of guilds that are to leave. Null: it must not give any away now. */
  readonly recordedMs: Duration | null;
  /** As a new owner: why these guilds cannot be taken now, as a sentence, or null. */
  refusal(guildIds: readonly string[], offered: OfferedEvents | null): string | null;
  /** Inside the transaction that imports guilds. */
  imported(guildIds: readonly string[]): void;
}

/** Travels with an offer of guilds. */
export interface OfferedEvents {
  /** {@link EventHandover.holding} of the new owner, as the old one knew it before it paused the guilds. */
  readonly holding: string;
  readonly recordedMs: Duration;
}

/** The part of the configuration that the sessions need. */
type DiscordConfig = Pick<
  GatewayConfig,
  | 'discordToken'
  | 'discordAppId'
  | 'discordCommandsGuild'
  | 'discordShards'
  | 'identifyIntervalMs'
  | 'eventSkewMs'
  | 'gatewayUrlTemplate'
  | 'linkSecret'
>;

export interface DiscordSessionsOptions {
  readonly config: DiscordConfig;
  readonly bot: Bot;
  readonly ownership: EventOwnership;
  readonly handled: HandledEventStore;
  /** The number of gateway pods that share Discord's limits. While guilds move, it may be more than the topology has. */
  readonly pods: number;
  readonly sessions: SessionStore;
  readonly dispatch: DispatchSink;
  readonly forward: ForwardSink;
  /** From `createDiscordRest`. The bot's handlers use the same client, so that both stay within this pod's rate limit. */
  readonly rest: REST;
  readonly log: Logger;
  readonly registry: Registry;
  /** Another process registers the bot's commands. Default false. */
  readonly leavesCommands?: boolean;
  /** A new session has begun. `guildIds`: the guilds of this pod in it. Its guilds follow as events. */
  readonly onSession?: (data: GatewayReadyDispatchData, guildIds: readonly string[]) => void;
  /** Overrides of the defaults. */
  readonly timing?: Partial<SessionTiming>;
}

/** The connections of this pod's shards. `startDiscordSessions` resolves when they have started, before they are ready. */
export interface DiscordSessions {
  /**
   * Not ready, with reasons, until every shard is connected, and when Discord has closed one for good. Commands that Discord
   * rejects are listed as a reason, but the pod stays ready.
   */
  readiness(): Readiness;
  /** Plain data for `/_guildway/state`: the shards and their states. */
  state(): unknown;
  /** Ids of this pod's guilds that Discord has listed. */
  guildIds(): Iterable<string>;
  /** Guilds have come, and are this pod's from now on. */
  arrived(guildIds: readonly string[]): void;
  /** Guilds have been given away. */
  left(guildIds: readonly string[]): void;
  readonly handover: EventHandover;
  /** Sends a client's event on the session of a guild's shard, or on every session of this pod (null). */
  send(payload: GatewaySendPayload, guildId: string | null): void;
  /** `POST /_guildway/identify` on pod 0: answers when the sender may identify. Never rejects. */
  identify(request: GatewayRequest, context: RequestContext): Promise<GatewayResponse>;
  /**
   * Closes every connection so that its session can be resumed (a close code other than 1000 and 1001), waits for the handlers
   * of received events, and stores the sequences. Idempotent.
   */
  drain(): Promise<void>;
  /** Drops the connections at once and stops using the store. Idempotent. */
  close(): Promise<void>;
  /** Closes, and ends the sessions for good: the next ones identify. */
  end(): Promise<void>;
}

/**
 * `discord/rest.ts`: Discord's REST API with the bot's token, within this pod's share of the bot's 50 requests per second.
 * Without a token, requests that need one fail.
 */
export type CreateDiscordRest = (options: {
  readonly config: Pick<GatewayConfig, 'ordinal' | 'discordApiUrl' | 'discordToken'>;
  /** The number of gateway pods that share Discord's limits. */
  readonly pods: number;
  readonly log: Logger;
}) => REST;

/** `discord/index.ts` */
export type StartDiscordSessions = (options: DiscordSessionsOptions) => Promise<DiscordSessions>;
