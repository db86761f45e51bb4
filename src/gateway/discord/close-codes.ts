import { DiscordAPIError } from '@discordjs/rest';

const BAD_TOKEN = 'the token is not valid; copy it from the Bot page of the developer portal into DISCORD_TOKEN';

/**
 * What to do after Discord closes a session's connection.
 * - `resume`: the session continues on the next connection
 * - `identify`: the session is over; the next connection starts another
 * - `stop`: reconnecting cannot help; `remedy` says what does
 */
export type CloseMeaning =
  | { readonly action: 'resume' | 'identify'; readonly why: string }
  | { readonly action: 'stop'; readonly why: string; readonly remedy: string };

/** Discord's close codes. Source: Discord's documentation, "Gateway Close Event Codes". */
const MEANINGS: Readonly<Record<number, CloseMeaning>> = Object.freeze({
  1000: { action: 'identify', why: 'closed normally' },
  4000: { action: 'resume', why: 'unknown error' },
  4001: { action: 'resume', why: 'unknown opcode' },
  4002: { action: 'resume', why: 'a payload that Discord cannot decode' },
  4003: { action: 'identify', why: 'not authenticated' },
  4004: { action: 'stop', why: 'authentication failed', remedy: BAD_TOKEN },
  4005: { action: 'identify', why: 'already authenticated' },
  4007: { action: 'identify', why: 'a sequence that the session does not have' },
  // The limit applies to one connection. The session itself is intact.
  4008: { action: 'resume', why: 'rate limited' },
  4009: { action: 'resume', why: 'the session timed out' },
  4010: {
    ...{ action: 'stop', why: 'invalid shard' },
    remedy: 'the shard is not valid; check DISCORD_SHARDS and NUM_GATEWAY_PODS',
  },
  4011: {
    ...{ action: 'stop', why: 'sharding required' },
    remedy: 'the bot is in too many guilds for so few shards; raise DISCORD_SHARDS',
  },
  4012: {
    ...{ action: 'stop', why: 'invalid API version' },
    remedy: 'Discord no longer speaks this version of the gateway; update Guildway',
  },
  4013: { action: 'stop', why: 'invalid intents', remedy: "the bot's intents are not valid; check its `intents`" },
  4014: {
    ...{ action: 'stop', why: 'disallowed intents' },
    remedy:
      "the bot asks for intents that it was not given; check its `intents`, or switch them on in Discord's developer portal",
  },
});

/**
 * The meaning of a close code. Codes that Discord does not list, such as that of a dropped connection, leave the session
 * intact.
 */
export const closeMeaning = (code: number): CloseMeaning =>
  MEANINGS[code] ?? { action: 'resume', why: 'the connection was lost' };

/** The same for a response of Discord's REST API: what to do about a rejected token, or null. */
export const refusedToken = (error: unknown): string | null =>
  error instanceof DiscordAPIError && error.status === 401 ? `${BAD_TOKEN} (401)` : null;
