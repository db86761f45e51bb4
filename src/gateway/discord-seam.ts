import type { REST } from '@discordjs/rest';
import type { GatewayReadyDispatchData, GatewaySendPayload } from 'discord-api-types/v10';
import type { Bot } from '../bot/define-bot.ts';
import type { GatewayConfig } from '../config/load.ts';
import type { GatewayRequest, GatewayResponse, RequestContext } from '../link/message.ts';
import type { Readiness } from '../observability/admin-server.ts';
import type { Logger } from '../observability/log.ts';
import type { Registry } from '../observability/metrics.ts';
import type { Topology } from '../routing/topology.ts';
import type { SessionTiming } from './discord/timing.ts';

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
  /** Replaces the ids. Writes only the changes. */
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

/** The part of the configuration that the sessions need. */
type DiscordConfig = Pick<
  GatewayConfig,
  | 'discordToken'
  | 'discordAppId'
  | 'discordCommandsGuild'
  | 'discordShards'
  | 'identifyIntervalMs'
  | 'gatewayUrlTemplate'
  | 'linkSecret'
>;

export interface DiscordSessionsOptions {
  readonly config: DiscordConfig;
  readonly bot: Bot;
  readonly topology: Topology;
  /** The number of gateway pods that share Discord's limits. While guilds move, it may be more than the topology has. */
  readonly pods: number;
  /** Whether this pod owns a guild. */
  readonly owns: (guildId: string) => boolean;
  readonly ordinal: number;
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
