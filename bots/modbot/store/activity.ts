import type { Database } from 'guildway';

const HOUR_MS = 3_600_000;
const KEPT_HOURS = 30 * 24;

/** Unix time in hours. */
const hourOf = (unixMs: number): number => Math.floor(unixMs / HOUR_MS);

/** Counts a message for its channel and hour. Deletes hours older than 30 days. */
export function countMessage(db: Database, guildId: string, channelId: string, unixMs: number): void {
  const hour = hourOf(unixMs);
  const row = db.get<{ messages: number }>(
    `INSERT INTO activity (guild_id, hour, channel_id, messages) VALUES (?, ?, ?, 1)
     ON CONFLICT DO UPDATE SET messages = messages + 1 RETURNING messages`,
    guildId,
    hour,
    channelId,
  );
  // Deletes old hours at the first message of a channel's hour, which is often enough.
  if (row?.messages === 1) db.run('DELETE FROM activity WHERE guild_id = ? AND hour < ?', guildId, hour - KEPT_HOURS);
}

export interface Activity {
  /** Messages of each hour, oldest first. The last is the current hour. */
  readonly hours: readonly { readonly hour: number; readonly messages: number }[];
  /** The busiest channels first. `name` is null while unknown. */
  readonly channels: readonly { readonly channelId: string; readonly name: string | null; readonly messages: number }[];
  readonly total: number;
}

/** @param hours the number of hours, including the current one at `now` (Unix milliseconds) */
export function readActivity(db: Database, guildId: string, hours: number, now: number): Activity {
  const last = hourOf(now);
  const first = last - hours + 1;
  const rows = db.all<{ hour: number; messages: number }>(
    'SELECT hour, SUM(messages) AS messages FROM activity WHERE guild_id = ? AND hour BETWEEN ? AND ? GROUP BY hour',
    guildId,
    first,
    last,
  );
  const counted = new Map(rows.map(({ hour, messages }) => [hour, messages]));
  const channels = db.all<{ channelId: string; name: string | null; messages: number }>(
    `SELECT channel_id AS channelId, name, SUM(messages) AS messages
     FROM activity LEFT JOIN channels USING (guild_id, channel_id)
     WHERE guild_id = ? AND hour BETWEEN ? AND ? GROUP BY channel_id ORDER BY messages DESC, channel_id LIMIT 10`,
    guildId,
    first,
    last,
  );
  return {
    hours: Array.from({ length: hours }, (_, i) => ({ hour: first + i, messages: counted.get(first + i) ?? 0 })),
    channels,
    total: rows.reduce((sum, { messages }) => sum + messages, 0),
  };
}
