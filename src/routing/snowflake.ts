import { GuildwayError } from '../errors.ts';

const MAX_SNOWFLAKE = '18446744073709551615';

/**
 * Whether `value` is a snowflake as Discord writes it: 1 to 20 ASCII digits, no leading zero, at most 2^64 - 1.
 * `0` is not one. Works on char codes because `\d` would be slower, and a lax test would let unicode digits,
 * `%2e` or `../` into a URL or a database key.
 */
export function isSnowflake(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  const length = value.length;
  if (length === 0 || length > 20) return false;
  const first = value.charCodeAt(0);
  if (first < 49 || first > 57) return false;
  for (let i = 1; i < length; i++) {
    const code = value.charCodeAt(i);
    if (code < 48 || code > 57) return false;
  }
  return length < 20 || value <= MAX_SNOWFLAKE;
}

/** Older snowflakes have fewer digits. Snowflakes reached this length on 28 January 2015, before the first guild. */
const MIN_GUILD_ID_DIGITS = 17;

/**
 * Whether `value` can be a guild's id: a snowflake that is not older than Discord. Use it for values from clients, where a small
 * number is a page, an order or a cart (`/app/123`, `client_reference_id: "1042"`).
 */
export function isGuildId(value: unknown): value is string {
  return isSnowflake(value) && value.length >= MIN_GUILD_ID_DIGITS;
}

/** Returns `value` if it is a guild id, else throws `GUILD_ID_INVALID`. */
export function parseGuildId(value: unknown): string {
  if (isSnowflake(value)) return value;
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : typeof value;
  throw new GuildwayError(
    'GUILD_ID_INVALID',
    `${shown} is not a guild id: expected a decimal number from 1 to ${MAX_SNOWFLAKE} without leading zeros`,
  );
}
