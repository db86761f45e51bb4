import type { Database } from 'guildway';

export const CASE_KINDS = ['warn', 'note', 'report', 'timeout'] as const;
export type CaseKind = (typeof CASE_KINDS)[number];

export interface NewCase {
  readonly guildId: string;
  readonly kind: CaseKind;
  /** The member concerned. */
  readonly userId: string;
  /** The author; null if the case came through the API. */
  readonly moderatorId: string | null;
  readonly reason: string;
  /** The reported message. */
  readonly message?: { readonly channelId: string; readonly id: string };
  /** Unix milliseconds. */
  readonly createdAt: number;
}

/** An entry of the moderation log. `number` counts up in each guild. */
export interface Case {
  readonly number: number;
  readonly kind: CaseKind;
  readonly userId: string;
  readonly moderatorId: string | null;
  readonly reason: string;
  readonly channelId: string | null;
  readonly messageId: string | null;
  readonly createdAt: number;
}

export interface CaseFilter {
  readonly kind?: CaseKind | undefined;
  readonly userId?: string | undefined;
}

/** One page of a log, newest first. */
export interface CasePage {
  readonly cases: readonly Case[];
  readonly total: number;
  /** From 1. Requests beyond the last page get the last page. */
  readonly page: number;
  /** At least 1. */
  readonly pages: number;
}

/** Writes a case and returns its number. */
export function addCase(db: Database, entry: NewCase): number {
  const row = db.get<{ number: number }>(
    `INSERT INTO cases (guild_id, number, kind, user_id, moderator_id, reason, channel_id, message_id, created_at)
     VALUES (?, (SELECT COALESCE(MAX(number), 0) + 1 FROM cases WHERE guild_id = ?), ?, ?, ?, ?, ?, ?, ?)
     RETURNING number`,
    entry.guildId,
    entry.guildId,
    entry.kind,
    entry.userId,
    entry.moderatorId,
    entry.reason,
    entry.message?.channelId ?? null,
    entry.message?.id ?? null,
    entry.createdAt,
  );
  return (row as { number: number }).number;
}

const MATCHES = 'guild_id = ? AND (? IS NULL OR kind = ?) AND (? IS NULL OR user_id = ?)';

function matching(guildId: string, filter: CaseFilter): (string | null)[] {
  const kind = filter.kind ?? null;
  const userId = filter.userId ?? null;
  return [guildId, kind, kind, userId, userId];
}

export function listCases(db: Database, guildId: string, filter: CaseFilter, page: number, perPage: number): CasePage {
  const values = matching(guildId, filter);
  const { total } = db.get(`SELECT COUNT(*) AS total FROM cases WHERE ${MATCHES}`, ...values) as { total: number };
  const pages = Math.max(1, Math.ceil(total / perPage));
  const shown = Math.min(Math.max(1, page), pages);
  const cases = db.all<Case>(
    `SELECT number, kind, user_id AS userId, moderator_id AS moderatorId, reason, channel_id AS channelId,
       message_id AS messageId, created_at AS createdAt
     FROM cases WHERE ${MATCHES} ORDER BY number DESC LIMIT ? OFFSET ?`,
    ...values,
    perPage,
    (shown - 1) * perPage,
  );
  return { cases, total, page: shown, pages };
}

/** The number of cases of each kind in a guild. */
export function countCases(db: Database, guildId: string): Record<CaseKind, number> {
  const counts = { warn: 0, note: 0, report: 0, timeout: 0 };
  const rows = db.all<{ kind: CaseKind; count: number }>(
    'SELECT kind, COUNT(*) AS count FROM cases WHERE guild_id = ? GROUP BY kind',
    guildId,
  );
  for (const { kind, count } of rows) counts[kind] = count;
  return counts;
}

export function countWarnings(db: Database, guildId: string, userId: string): number {
  const sql = `SELECT COUNT(*) AS count FROM cases WHERE guild_id = ? AND user_id = ? AND kind = 'warn'`;
  return (db.get(sql, guildId, userId) as { count: number }).count;
}

/** Reasons of earlier warnings that contain `typed`, the most frequent first. A suggestion has at most 100 characters. */
export function suggestReasons(db: Database, guildId: string, typed: string): string[] {
  const rows = db.all<{ reason: string }>(
    `SELECT reason FROM cases
     WHERE guild_id = ? AND kind = 'warn' AND length(reason) <= 100 AND instr(lower(reason), lower(?)) > 0
     GROUP BY reason ORDER BY COUNT(*) DESC, MAX(number) DESC LIMIT 25`,
    guildId,
    typed,
  );
  return rows.map(({ reason }) => reason);
}
