import type { REST } from '@discordjs/rest';
import type { Bot } from '../bot/define-bot.ts';
import type { GatewayConfig } from '../config/load.ts';
import type { GatewayRequest, GatewayResponse, RequestContext } from '../link/message.ts';
import type { Readiness } from '../observability/admin-server.ts';
import type { Logger } from '../observability/log.ts';
import type { Registry } from '../observability/metrics.ts';
import type { Topology } from '../routing/topology.ts';
import type { SessionTiming } from './discord/timing.ts';

/**
 * What lies between the gateway service and its connections to Discord (`discord/`). Discord's side knows shards, sessions and
 * rate limits; the service's side knows the database and the bot.
 */

/** What a shard needs to resume its session in another process. */
export interface StoredSession {
  readonly sessionId: string;
  /** Every event up to this one has been handled. */
  readonly sequence: number;
  readonly resumeUrl: string;
  /** The shard count it identified with: a session resumes with no other. */
  readonly shardCount: number;
}

/** A session as an earlier process left it. */
export interface KeptSession extends StoredSession {
  /** Resumes in a row that Discord did not answer. */
  readonly failedResumes: number;
}

/**
 * Keeps the sessions of this pod's shards. Calls are synchronous and commit without waiting for the disk: after a power loss
 * the sequence and the data of the events before it roll back together. A write costs some ten microseconds and forgets the
 * once-records of the events it covers, so call it a few times per second and shard, not once per event.
 * Throws STORE_FAILED; the events after the last write that succeeded are then delivered again.
 */
export interface SessionStore {
  read(shard: number): KeptSession | null;
  write(shard: number, session: StoredSession): void;
  /** How many resumes of the shard's session Discord has not answered, in a row. */
  writeFailedResumes(shard: number, count: number): void;
  /** The session has ended permanently. Deletes its guilds too; the next connection identifies. */
  clear(shard: number): void;
  /** Ids of the guilds of the shard's session that this pod owns. Discord names them when a session begins, not on a resume. */
  readGuilds(shard: number): string[];
  /** Replaces them; writes only what has changed. */
  writeGuilds(shard: number, guildIds: ReadonlySet<string>): void;
}

/** One gateway dispatch: of a guild that this pod owns, of one that is to be forwarded, or without a guild on pod 0. */
export interface GuildEvent {
  /** Its type, such as `MESSAGE_CREATE`. */
  readonly name: string;
  readonly data: unknown;
  readonly guildId: string | null;
  readonly shard: number;
  /** With the sequence, the event's identity: delivered again, it changes nothing. */
  readonly sessionId: string;
  readonly sequence: number;
}

/**
 * Hands an event to the bot. Resolves when its handler has finished, failed or been given up on; never rejects. Events of one
 * guild are handled one after the other, those of several guilds side by side, so they do not finish in order: the sequence
 * to store is the last one before the first that has not finished.
 */
export type DispatchSink = (event: GuildEvent) => Promise<unknown>;

/**
 * Takes over an event of a guild that another pod owns. Resolves when it is on disk here, to be delivered there; rejects when this
 * pod is about to end first. The event is not handled before it has resolved: the next process gets it again.
 */
export type ForwardSink = (event: GuildEvent) => Promise<void>;

/** The part of the configuration that the sessions need. */
type DiscordConfig = Pick<
  GatewayConfig,
  'discordToken' | 'discordAppId' | 'discordShards' | 'identifyIntervalMs' | 'gatewayUrlTemplate' | 'linkSecret'
>;

export interface DiscordSessionsOptions {
  readonly config: DiscordConfig;
  readonly bot: Bot;
  readonly topology: Topology;
  readonly ordinal: number;
  readonly sessions: SessionStore;
  readonly dispatch: DispatchSink;
  readonly forward: ForwardSink;
  /** Made by `createDiscordRest`; the bot's handlers use the same, so that both stay inside this pod's share. */
  readonly rest: REST;
  readonly log: Logger;
  readonly registry: Registry;
  /** Where it differs from the defaults. */
  readonly timing?: Partial<SessionTiming>;
}

/** The connections of this pod's shards. `startDiscordSessions` resolves when they have been begun, not when they are ready. */
export interface DiscordSessions {
  /**
   * Not ready, with reasons, until every shard is connected; also when Discord closed one for good. Commands that Discord does not
   * take are a reason that does not count: the pod serves.
   */
  readiness(): Readiness;
  /** Plain data for `/_guildway/state`: shards and how they are. */
  state(): unknown;
  /** Ids of the guilds of this pod that Discord has named. */
  guildIds(): Iterable<string>;
  /** `POST /_guildway/identify`, on pod 0: answers when the caller may identify. Does not reject. */
  identify(request: GatewayRequest, context: RequestContext): Promise<GatewayResponse>;
  /**
   * Leaves every session so that it can be resumed (a close code other than 1000 and 1001), waits for the handlers of the events
   * that were received, and stores the sequences. Idempotent.
   */
  drain(): Promise<void>;
  /** Drops the connections at once. Idempotent; the store is not used after it. */
  close(): Promise<void>;
}

/**
 * `discord/rest.ts`: Discord's REST API with the bot's token, kept inside this pod's share of the bot's 50 requests a second.
 * Without a token, requests that need one fail.
 */
export type CreateDiscordRest = (options: {
  readonly config: Pick<GatewayConfig, 'ordinal' | 'discordApiUrl' | 'discordToken'>;
  readonly topology: Topology;
  readonly log: Logger;
}) => REST;

/** `discord/index.ts` */
export type StartDiscordSessions = (options: DiscordSessionsOptions) => Promise<DiscordSessions>;
