import type { Database } from 'guildway';

const LIMIT_ACTIONS = ['nothing', 'suggest', 'timeout'] as const;
export type LimitAction = (typeof LIMIT_ACTIONS)[number];

/** The moderation settings of a guild. */
export interface Settings {
  /** The number of warnings that triggers {@link Settings.atLimit}. */
  readonly warningLimit: number;
  readonly atLimit: LimitAction;
  readonly timeoutMinutes: number;
  /** The channel for reports; null if they are only recorded. */
  readonly reportChannelId: string | null;
}

export const DEFAULT_SETTINGS: Settings = Object.freeze({
  warningLimit: 3,
  atLimit: 'suggest',
  timeoutMinutes: 60,
  reportChannelId: null,
});

export function readSettings(db: Database, guildId: string): Settings {
  const row = db.get<Settings>(
    `SELECT warning_limit AS warningLimit, at_limit AS atLimit, timeout_minutes AS timeoutMinutes,
       report_channel_id AS reportChannelId
     FROM guilds WHERE guild_id = ?`,
    guildId,
  );
  return row ?? DEFAULT_SETTINGS;
}

export function writeSettings(db: Database, guildId: string, settings: Settings): void {
  db.run(
    `INSERT INTO guilds (guild_id, warning_limit, at_limit, timeout_minutes, report_channel_id) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET warning_limit = excluded.warning_limit, at_limit = excluded.at_limit,
       timeout_minutes = excluded.timeout_minutes, report_channel_id = excluded.report_channel_id`,
    guildId,
    settings.warningLimit,
    settings.atLimit,
    settings.timeoutMinutes,
    settings.reportChannelId,
  );
}

/** The guild's name, or null while unknown. */
export function readGuildName(db: Database, guildId: string): string | null {
  return db.get<{ name: string | null }>('SELECT name FROM guilds WHERE guild_id = ?', guildId)?.name ?? null;
}

export function writeGuildName(db: Database, guildId: string, name: string): void {
  db.run(
    `INSERT INTO guilds (guild_id, name) VALUES (?, ?)
     ON CONFLICT DO UPDATE SET name = excluded.name WHERE name IS NOT excluded.name`,
    guildId,
    name,
  );
}

export function writeChannelName(db: Database, guildId: string, channelId: string, name: string): void {
  db.run(
    `INSERT INTO channels (guild_id, channel_id, name) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET name = excluded.name WHERE name <> excluded.name`,
    guildId,
    channelId,
    name,
  );
}

export function readChannelName(db: Database, guildId: string, channelId: string): string | null {
  const sql = 'SELECT name FROM channels WHERE guild_id = ? AND channel_id = ?';
  return db.get<{ name: string }>(sql, guildId, channelId)?.name ?? null;
}

/** The secret part of the link to the guild's page; null until a user has requested the link. */
export function readPageKey(db: Database, guildId: string): string | null {
  const sql = 'SELECT page_key AS pageKey FROM guilds WHERE guild_id = ?';
  return db.get<{ pageKey: string | null }>(sql, guildId)?.pageKey ?? null;
}

export function writePageKey(db: Database, guildId: string, key: string): void {
  db.run(
    'INSERT INTO guilds (guild_id, page_key) VALUES (?, ?) ON CONFLICT DO UPDATE SET page_key = excluded.page_key',
    guildId,
    key,
  );
}
