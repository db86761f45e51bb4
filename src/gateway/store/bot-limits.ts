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
/** Actions that do not change a table. Any other action on a Guildway table is denied: writes, triggers, indexes, renames. */
const HARMLESS: ReadonlySet<number> = new Set([
  constants.SQLITE_READ,
  constants.SQLITE_ANALYZE,
  constants.SQLITE_PRAGMA,
]);
/**
 * The pragmas that a bot may use: read-only ones and `optimize`. Others could weaken durability, or change the connection for
 * every other handler.
 */
const PRAGMAS: ReadonlySet<string> = new Set([
  ...['table_list', 'table_info', 'table_xinfo', 'index_list', 'index_info', 'index_xinfo', 'foreign_key_list'],
  ...['foreign_key_check', 'integrity_check', 'quick_check', 'compile_options', 'function_list', 'optimize'],
]);

const isOurs = (name: string | null): boolean => name?.toLowerCase().startsWith('guildway_') === true;

/**
 * Compiles SQL from the bot: `work` prepares or executes it. Denies access to Guildway's tables and transaction control, and
 * determines whether the SQL writes. SQLite calls the authorizer during compilation only, so later executions cost nothing.
 * @throws TypeError for SQL that a bot must not run; the errors of `work`
 */
export function asBot<Result>(connection: Connection, work: () => Result): { result: Result; writes: boolean } {
  let writes = false;
  let denied: string | null = null;
  connection.sqlite.setAuthorizer((action, subject, object) => {
    if (CONTROL.has(action)) denied = 'use context.transaction for transactions; databases cannot be attached';
    if (action === constants.SQLITE_PRAGMA && !PRAGMAS.has(String(subject).toLowerCase()))
      denied = `PRAGMA ${subject} is not one of ${[...PRAGMAS].join(', ')}`;
    if (!HARMLESS.has(action)) {
      const ours = [subject, object].find(isOurs);
      if (ours !== undefined) denied = `the name ${ours} is reserved for Guildway`;
    }
    if (WRITES.has(action)) writes = true;
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
