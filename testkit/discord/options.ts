import { createHash } from 'node:crypto';
import { type Clock, systemClock } from './clock.ts';
import { createKeyPair, type KeyPair } from './keys.ts';
import { snowflakeAt } from './snowflake.ts';
import { BOT_PERMISSIONS } from './world/permissions.ts';

/** Receives log events: a stable event name, and facts without tokens or message content. */
export type SimulatorLog = (event: string, facts: Readonly<Record<string, unknown>>) => void;

export interface SimulatorOptions {
  /** 0 takes any free port. Default 0. */
  readonly port?: number;
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** Accepted host names of the console, in addition to localhost and IP addresses. Default none. */
  readonly consoleHosts?: readonly string[];
  /** The number of guilds that the bot is in. Default 30. */
  readonly guilds?: number;
  /** A seed always gives the same guilds, channels, users, application id and keys. Default 1. */
  readonly seed?: number;
  readonly applicationId?: string;
  /** The bot's token. */
  readonly token?: string;
  readonly keyPair?: KeyPair;
  /** The URL for interactions; null sends them over the gateway. Default null. */
  readonly interactionsUrl?: string | null;
  /** The URL for event webhooks. Default null. */
  readonly eventWebhookUrl?: string | null;
  /** Concurrent identifies; the bucket of a shard is `shard % maxConcurrency`. Default 16. */
  readonly maxConcurrency?: number;
  /** Each bucket may identify once per window. Default 5000. */
  readonly identifyWindowMs?: number;
  /** Identifies per day. Default 1000. */
  readonly sessionStartLimit?: number;
  /** Default 41250. */
  readonly heartbeatIntervalMs?: number;
  /** How long a session without a connection can be resumed. Default 180000. */
  readonly sessionRetentionMs?: number;
  /** Events stored for a resume, per session. Default 50000. */
  readonly replayBufferSize?: number;
  /** Privileged intents that the application may use, as a bit field. Default all three. */
  readonly privilegedIntents?: number;
  /** The time limit for the first response to an interaction. Default 3000. */
  readonly interactionDeadlineMs?: number;
  /** REST requests per second with the bot's token. Default 50. */
  readonly globalRequestsPerSecond?: number;
  /** Sends a deliberately wrong signature after every n interactions; 0 never. Default 0. */
  readonly probeEvery?: number;
  /** The first delay before an unacknowledged event webhook is retried; doubles each time. Default 1000. */
  readonly eventWebhookBackoffMs?: number;
  /** The permissions of the bot's role, as in an invite link. Default: all except Administrator. */
  readonly botPermissions?: bigint;
  /** Messages stored per channel. Default 200. */
  readonly messagesPerChannel?: number;
  readonly clock?: Clock;
  readonly log?: SimulatorLog;
}

export type ResolvedOptions = Required<SimulatorOptions>;

/** The lifetime of an interaction's token, which follow-ups need. */
export const INTERACTION_TOKEN_MS = 15 * 60_000;

export const PRIVILEGED_INTENTS = (1 << 1) | (1 << 8) | (1 << 15);

/** A token in Discord's form: the application id, a time and a signature, as base64url. */
export function createToken(applicationId: string, secret: string): string {
  const digest = createHash('sha256').update(`token:${applicationId}:${secret}`).digest('base64url');
  return `${Buffer.from(applicationId).toString('base64url')}.${digest.slice(0, 6)}.${digest.slice(5, 43)}`;
}

/** Applies the defaults. @throws RangeError if a number is out of range */
export function resolveOptions(options: SimulatorOptions): ResolvedOptions {
  const seed = options.seed ?? 1;
  const applicationId =
    options.applicationId ?? snowflakeAt(Date.UTC(2023, 2, 1) + (seed % 1_000_000) * 1000, 4096 + (seed % 4096));
  const resolved: ResolvedOptions = {
    port: 0,
    host: '127.0.0.1',
    consoleHosts: [],
    guilds: 30,
    interactionsUrl: null,
    eventWebhookUrl: null,
    maxConcurrency: 16,
    identifyWindowMs: 5000,
    sessionStartLimit: 1000,
    heartbeatIntervalMs: 41_250,
    sessionRetentionMs: 180_000,
    replayBufferSize: 50_000,
    privilegedIntents: PRIVILEGED_INTENTS,
    interactionDeadlineMs: 3000,
    globalRequestsPerSecond: 50,
    probeEvery: 0,
    eventWebhookBackoffMs: 1000,
    messagesPerChannel: 200,
    botPermissions: BOT_PERMISSIONS,
    clock: systemClock,
    log: () => {},
    token: createToken(applicationId, String(seed)),
    keyPair: createKeyPair(`guildway simulator ${seed}`),
    ...withoutUndefined(options),
    seed,
    applicationId,
  };
  for (const name of ['guilds', 'probeEvery', 'port'] as const) requireInteger(name, resolved[name], 0);
  for (const name of ['maxConcurrency', 'globalRequestsPerSecond', 'messagesPerChannel', 'replayBufferSize'] as const) {
    requireInteger(name, resolved[name], 1);
  }
  return resolved;
}

function requireInteger(name: string, value: number, min: number): void {
  if (!Number.isInteger(value) || value < min)
    throw new RangeError(`${name} must be an integer of ${min} or more, not ${value}`);
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
