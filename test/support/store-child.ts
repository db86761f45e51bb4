/**
 * A process of its own with a store, for tests that kill it. Arguments: the database, and a number of transactions. It prints one line
 * for each that returned, after "open <pid>".
 */
import { writeSync } from 'node:fs';
import { readFaults } from '../../src/gateway/faults.ts';
import { openTestStore } from './store.ts';

const [, , path = '', transactions = '0'] = process.argv;
const say = (line: string): void => void writeSync(1, `${line}\n`);

try {
  const store = openTestStore(path, { faults: readFaults(process.env) });
  say(`open ${process.pid}`);
  const db = store.botDatabases.full;
  for (let i = 0; i < Number(transactions); i++) {
    store.connection.join('full', 'bot', () =>
      db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', '1', `note ${i}`),
    );
    await store.connection.settled();
    say(`committed ${i}`);
  }
  // Until it is killed.
  // Until then the store must stay referenced: garbage collection would release its lock.
  setInterval(() => void store.incarnation, 1_000);
} catch (error) {
  say(`error ${(error as { code?: string }).code} ${(error as Error).message}`);
}
