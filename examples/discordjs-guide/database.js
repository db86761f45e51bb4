const Database = require('better-sqlite3');

const db = new Database('bot.sqlite');
db.pragma('journal_mode = WAL');
db.exec(`
  CREATE TABLE IF NOT EXISTS tags (guild_id TEXT, name TEXT, content TEXT, uses INTEGER DEFAULT 0, PRIMARY KEY (guild_id, name));
  CREATE TABLE IF NOT EXISTS points (guild_id TEXT, user_id TEXT, points INTEGER, PRIMARY KEY (guild_id, user_id));
`);

module.exports = { db };
