import { constants } from 'node:sqlite';
import type { Connection } from './connection.ts';

const CONTROL: ReadonlySet<number> = new Set([
  constants.SQLITE_TRANSACTION,
  constants.SQLITE_SAVEPOINT,
  constants.SQLITE_ATTACH,
  constants.SQLITE_DETACH,
]);
const WRITES: ReadonlySet<number> = new Set([
  constants.SQLITE_INSERT,
  constants.SQLITE_UPDATE,
  constants.SQLITE_DELETE,
]);
/** Settings that the promises of this store rest on. */
const SETTINGS: ReadonlySet<string> = new Set(['journal_mode', 'synchronous', 'locking_mode', 'foreign_keys']);

/**
 * Compiles SQL of the bot: `work` prepares or executes it. Keeps it out of Guildway's tables and of transaction control, and
 * finds out whether it writes. SQLite asks while it compiles, so a statement that is executed again costs nothing.
 * @throws TypeError for what a bot must not do; otherwise what `work` throws
 */
export function asBot<Result>(connection: Connection, work: () => Result): { result: Result; writes: boolean } {
  let writes = false;
  let denied: string | null = null;
  connection.sqlite.setAuthorizer((action, subject) => {
    if (CONTROL.has(action)) denied = 'transactions are begun by context.transaction, and databases are not attached';
    if (action === constants.SQLITE_PRAGMA && SETTINGS.has(String(subject).toLowerCase()))
      denied = `PRAGMA ${subject} belongs to Guildway`;
    if (WRITES.has(action)) {
      writes = true;
      if (subject?.startsWith('guildway_')) denied = `the table ${subject} belongs to Guildway`;
    }
    return denied === null ? constants.SQLITE_OK : constants.SQLITE_DENY;
  });
  try {
    return { result: work(), writes };
  } catch (error) {
    throw denied === null ? connection.noted(error) : new TypeError(`not allowed in a bot's SQL: ${denied}`);
  } finally {
    connection.sqlite.setAuthorizer(null);
  }
}
