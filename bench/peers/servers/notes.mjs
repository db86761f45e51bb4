/** The database and the command that the peers of workload (g) share. */
import Database from 'better-sqlite3';

export const command = {
  name: 'note',
  description: 'Keeps a note and says how many there are',
  options: [{ type: 3, name: 'text', description: 'The note', required: true }],
};

const db = new Database(process.env.DATABASE_PATH);
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec(`
  CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY, guild_id TEXT NOT NULL, user_id TEXT NOT NULL, text TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS notes_of_guild ON notes (guild_id);
  CREATE TABLE IF NOT EXISTS activity (
    guild_id TEXT NOT NULL, hour INTEGER NOT NULL, channel_id TEXT NOT NULL, messages INTEGER NOT NULL,
    PRIMARY KEY (guild_id, hour, channel_id)
  ) WITHOUT ROWID`);

const insert = db.prepare('INSERT INTO notes (guild_id, user_id, text) VALUES (?, ?, ?)');
const count = db.prepare('SELECT COUNT(*) AS count FROM notes WHERE guild_id = ?').pluck();

/** Stores a note and counts the notes of its guild in one transaction. */
export const keepNote = db.transaction((guildId, userId, text) => {
  insert.run(guildId, userId, text);
  return count.get(guildId);
});

const countOne = db.prepare(`
  INSERT INTO activity (guild_id, hour, channel_id, messages) VALUES (?, ?, ?, 1)
  ON CONFLICT DO UPDATE SET messages = messages + 1`);

/** Counts a message for its channel and hour. */
export const countMessage = (guildId, channelId, unixMs) =>
  countOne.run(guildId, Math.floor(unixMs / 3_600_000), channelId);
