import type { DatabaseSync } from 'node:sqlite';
import { blob, nullable, number, oneOf, query, type RowOf, text, wallTime } from './rows.ts';

const ENTRY = `id, identity, NULLIF(guild_id, '') AS guildId, deferred, stored_at AS storedAt, expires_at AS expiresAt`;
const ENTRY_COLUMNS = {
  id: number,
  identity: text,
  guildId: nullable(text),
  deferred: oneOf(0, 5, 6),
  storedAt: wallTime,
  expiresAt: wallTime,
};
const SET_ASIDE = `${ENTRY}, target, uncertain, attempts, set_aside_at AS setAsideAt, reason`;
const SET_ASIDE_COLUMNS = {
  ...ENTRY_COLUMNS,
  target: text,
  uncertain: number,
  attempts: number,
  setAsideAt: wallTime,
  reason: text,
};

export type SetAsideRow = RowOf<typeof SET_ASIDE_COLUMNS>;

export type HintStatements = ReturnType<typeof prepareHintStatements>;

/** Prepares all statements on `guildway_hints`. */
export function prepareHintStatements(sqlite: DatabaseSync) {
  return {
    totals: query(
      sqlite,
      `SELECT set_aside_at IS NOT NULL AS aside, COUNT(*) AS count, SUM(length(body)) AS bytes
       FROM guildway_hints GROUP BY 1`,
      { aside: number, count: number, bytes: number },
    ),
    insert: query(
      sqlite,
      `INSERT INTO guildway_hints
         (identity, guild_id, target, headers, body, body_hash, deferred, uncertain, stored_at, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING ${ENTRY}`,
      ENTRY_COLUMNS,
    ),
    find: query(
      sqlite,
      'SELECT body_hash AS bodyHash, set_aside_at IS NOT NULL AS aside FROM guildway_hints WHERE identity = ?',
      { bodyHash: text, aside: number },
    ),
    list: query(sqlite, `SELECT ${ENTRY} FROM guildway_hints WHERE set_aside_at IS NULL ORDER BY id`, ENTRY_COLUMNS),
    read: query(sqlite, `SELECT ${ENTRY}, target, headers, body, uncertain FROM guildway_hints WHERE id = ?`, {
      ...ENTRY_COLUMNS,
      target: text,
      headers: text,
      body: blob,
      uncertain: number,
    }),
    remove: query(
      sqlite,
      'DELETE FROM guildway_hints WHERE id = ? RETURNING set_aside_at IS NOT NULL AS aside, length(body) AS bytes',
      { aside: number, bytes: number },
    ),
    expired: query(
      sqlite,
      'SELECT id FROM guildway_hints WHERE set_aside_at IS NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?',
      { id: number },
    ),
    attempt: sqlite.prepare('UPDATE guildway_hints SET uncertain = 1, attempts = attempts + 1 WHERE id = ?'),
    prolong: sqlite.prepare('UPDATE guildway_hints SET expires_at = ? WHERE id = ?'),
    setAside: query(
      sqlite,
      `UPDATE guildway_hints SET set_aside_at = ?, reason = ? WHERE id = ? AND set_aside_at IS NULL
       RETURNING length(body) AS bytes`,
      { bytes: number },
    ),
    listSetAside: query(
      sqlite,
      `SELECT ${SET_ASIDE} FROM guildway_hints WHERE set_aside_at IS NOT NULL ORDER BY set_aside_at, id LIMIT ?`,
      SET_ASIDE_COLUMNS,
    ),
    findSetAside: query(
      sqlite,
      `SELECT ${SET_ASIDE} FROM guildway_hints WHERE identity = ? AND set_aside_at IS NOT NULL`,
      SET_ASIDE_COLUMNS,
    ),
    renew: sqlite.prepare(
      'UPDATE guildway_hints SET stored_at = ?, uncertain = 0 WHERE id = ? AND set_aside_at IS NOT NULL',
    ),
    takeBack: query(
      sqlite,
      `UPDATE guildway_hints SET set_aside_at = NULL, reason = NULL, expires_at = ?
       WHERE id = ? AND set_aside_at IS NOT NULL RETURNING ${ENTRY}, length(body) AS bytes`,
      { ...ENTRY_COLUMNS, bytes: number },
    ),
    fromTheFuture: sqlite.prepare('SELECT 1 FROM guildway_hints WHERE stored_at > ? LIMIT 1'),
    restamp: sqlite.prepare(
      'UPDATE guildway_hints SET expires_at = expires_at - stored_at + ?, stored_at = ? WHERE stored_at > ?',
    ),
  };
}
