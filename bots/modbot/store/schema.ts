/** Tables with rows of guilds. Each has `guild_id`, so that Guildway can find and move a guild's rows. */
export const tables = ['guilds', 'channels', 'cases', 'activity'];

/** Applied in order, once per database. Append new ones; never change one that has already run. */
export const migrations = [
  `
  -- What is known of a guild, and how it wants to be moderated. A guild without a row has the defaults.
  CREATE TABLE guilds (
    guild_id TEXT PRIMARY KEY,
    name TEXT,
    warning_limit INTEGER NOT NULL DEFAULT 3,
    at_limit TEXT NOT NULL DEFAULT 'suggest' CHECK (at_limit IN ('nothing', 'suggest', 'timeout')),
    timeout_minutes INTEGER NOT NULL DEFAULT 60,
    report_channel_id TEXT,
    page_key TEXT
  ) STRICT;

  -- Names for the page; a channel that is gone keeps its name here.
  CREATE TABLE channels (
    guild_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (guild_id, channel_id)
  ) STRICT, WITHOUT ROWID;

  -- The moderation log. Ids and reasons; never the content of a message.
  CREATE TABLE cases (
    guild_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('warn', 'note', 'report', 'timeout')),
    user_id TEXT NOT NULL,
    moderator_id TEXT,
    reason TEXT NOT NULL,
    channel_id TEXT,
    message_id TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (guild_id, number)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX cases_by_user ON cases (guild_id, user_id, number);

  -- Messages per channel and hour. An hour is Unix time in hours.
  CREATE TABLE activity (
    guild_id TEXT NOT NULL,
    hour INTEGER NOT NULL,
    channel_id TEXT NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (guild_id, hour, channel_id)
  ) STRICT, WITHOUT ROWID;
  `,
];
