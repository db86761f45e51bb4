/**
 * Guildway's own tables, in the same file as the bot's so that records commit together with the work they record. Append to
 * this list; never change a script that has run anywhere.
 */
export const MIGRATIONS: readonly string[] = [
  `
  -- One row: whose database this is. Every transaction that writes looks here first.
  CREATE TABLE guildway_meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    ordinal INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    topology TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    incarnation INTEGER NOT NULL
  ) STRICT;

  -- What has been done, by the identity of what asked for it. Step k is the result of its k-th transaction, -1 its final
  -- response, -2 that a deferred response has been completed. Values are JSON.
  CREATE TABLE guildway_ledger (
    identity TEXT NOT NULL,
    step INTEGER NOT NULL,
    body_hash TEXT NOT NULL,
    value TEXT,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (identity, step)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX guildway_ledger_by_expiry ON guildway_ledger (expires_at);

  -- The same for events of Discord's gateway, until the session's stored sequence has passed them.
  CREATE TABLE guildway_event_ledger (
    session_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    step INTEGER NOT NULL,
    value TEXT,
    PRIMARY KEY (session_id, sequence, step)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE guildway_sessions (
    shard INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    resume_url TEXT NOT NULL,
    shard_count INTEGER NOT NULL
  ) STRICT;

  -- Requests that are kept for other pods. Ids grow, also over deleted rows: they are the order of arrival.
  CREATE TABLE guildway_hints (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    identity TEXT NOT NULL UNIQUE,
    guild_id TEXT NOT NULL,
    target TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    body_hash TEXT NOT NULL,
    deferred INTEGER NOT NULL,
    uncertain INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX guildway_hints_by_expiry ON guildway_hints (expires_at);
  `,
  `
  -- The guilds of each shard's session that this pod owns.
  CREATE TABLE guildway_session_guilds (
    shard INTEGER NOT NULL,
    guild_id TEXT NOT NULL,
    PRIMARY KEY (shard, guild_id)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- 'claimed': this pod has no rows yet and waits for the other pods to agree on the topology. 'placed': it has served under it.
  ALTER TABLE guildway_meta ADD COLUMN state TEXT NOT NULL DEFAULT 'placed';
  `,
  `
  -- Kept requests whose delivery has ended without success are set aside for an operator. Only the others fall due.
  ALTER TABLE guildway_hints ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE guildway_hints ADD COLUMN set_aside_at INTEGER;
  ALTER TABLE guildway_hints ADD COLUMN reason TEXT;
  DROP INDEX guildway_hints_by_expiry;
  CREATE INDEX guildway_hints_due ON guildway_hints (expires_at) WHERE set_aside_at IS NULL;
  CREATE INDEX guildway_hints_set_aside ON guildway_hints (set_aside_at) WHERE set_aside_at IS NOT NULL;
  `,
  `
  -- Resumes of a session, in a row, that Discord did not answer.
  ALTER TABLE guildway_sessions ADD COLUMN failed_resumes INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- Whose a row is, so that it moves with its guild. '': of no guild. NULL: an earlier version wrote it; it expires within 96 hours.
  ALTER TABLE guildway_ledger ADD COLUMN guild_id TEXT;
  UPDATE guildway_ledger SET guild_id = substr(identity, 5, instr(substr(identity, 5), ':') - 1)
    WHERE identity >= 'key:' AND identity < 'key;';
  CREATE INDEX guildway_ledger_by_guild ON guildway_ledger (guild_id);
  ALTER TABLE guildway_event_ledger ADD COLUMN guild_id TEXT;
  CREATE INDEX guildway_hints_by_guild ON guildway_hints (guild_id);
  CREATE INDEX guildway_session_guilds_by_guild ON guildway_session_guilds (guild_id);

  -- Guilds that have moved or are moving. A guild without a row is where the topology says.
  CREATE TABLE guildway_guild_moves (
    guild_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    -- The ordinal of the other pod.
    peer INTEGER NOT NULL,
    -- Grows with each move of the guild.
    version INTEGER NOT NULL,
    epoch INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX guildway_guild_moves_by_state ON guildway_guild_moves (state);

  -- Copies of guilds that this pod has given away, as it sent them: one copy of each batch.
  CREATE TABLE guildway_set_aside_chunks (
    batch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    chunk BLOB NOT NULL,
    PRIMARY KEY (batch, sequence)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE guildway_set_aside_guilds (
    guild_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    set_aside_at INTEGER NOT NULL,
    PRIMARY KEY (guild_id, version)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX guildway_set_aside_guilds_by_batch ON guildway_set_aside_guilds (batch);
  CREATE INDEX guildway_set_aside_guilds_by_time ON guildway_set_aside_guilds (set_aside_at);
  `,
  `
  -- Large guilds that this pod has given away and whose rows it removes bit by bit.
  CREATE TABLE guildway_leftovers (guild_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  `,
  `
  -- What the protocol of moves knows, as src/moving/state.ts describes it. The former table was never written.
  DROP TABLE guildway_guild_moves;
  CREATE TABLE guildway_guild_records (
    guild_id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    -- The other pod; NULL where none is named.
    peer INTEGER,
    -- Of the attempt; NULL where there is none.
    incarnation INTEGER,
    counter INTEGER,
    confirmed INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE guildway_moving (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- JSON
    chain TEXT NOT NULL,
    done TEXT NOT NULL,
    recovering TEXT NOT NULL,
    complete_to INTEGER NOT NULL
  ) STRICT;
  `,
  `
  -- The final response, in the row of the first transaction of its handler: a row less to write, to index and to delete.
  ALTER TABLE guildway_ledger ADD COLUMN response TEXT;
  `,
  `
  -- Beside a bot of another process: its guilds as it has been told of them, in parts (the guild itself, each channel, each role).
  CREATE TABLE guildway_bot_guilds (
    guild_id TEXT NOT NULL,
    part TEXT NOT NULL,
    id TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (guild_id, part, id)
  ) STRICT;
  -- The last event of each shard's session that was handed to the bot.
  CREATE TABLE guildway_bot_events (
    shard INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    sequence INTEGER NOT NULL
  ) STRICT;
  -- What else is known of the bot: its intents, Discord's READY. JSON.
  CREATE TABLE guildway_bot_facts (name TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT, WITHOUT ROWID;
  `,
  `
  -- What the bot does later. A row is removed in the commit that ends its job.
  CREATE TABLE guildway_jobs (
    id TEXT PRIMARY KEY,
    -- '': of no guild.
    guild_id TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Its name in the guild; NULL: none.
    key TEXT,
    -- JSON
    payload TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    -- The next attempt: due_at, or later after a failure.
    run_at INTEGER NOT NULL,
    -- Attempts that have begun.
    attempts INTEGER NOT NULL DEFAULT 0,
    -- JSON: the results of its transactions, in order.
    steps TEXT NOT NULL DEFAULT '[]',
    set_aside_at INTEGER,
    reason TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX guildway_jobs_by_key ON guildway_jobs (guild_id, name, key);
  CREATE INDEX guildway_jobs_due ON guildway_jobs (run_at, guild_id) WHERE set_aside_at IS NULL;
  CREATE INDEX guildway_jobs_set_aside ON guildway_jobs (set_aside_at) WHERE set_aside_at IS NOT NULL;
  `,
  `
  -- Events of Discord's gateway that an owner of the guild handled shortly before it moved. They move with the guild, so that its new
  -- owner recognizes them in its own sessions.
  CREATE TABLE guildway_handled_events (
    guild_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    -- Of the name and the content.
    hash TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    -- The event of the new owner's session that was recognized.
    matched_session TEXT,
    matched_sequence INTEGER,
    PRIMARY KEY (guild_id, session_id, sequence)
  ) STRICT, WITHOUT ROWID;
  -- The first event of a guild that has moved here which this pod is to handle, by session. Former owners handled those before it.
  CREATE TABLE guildway_event_starts (
    guild_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (guild_id, session_id)
  ) STRICT, WITHOUT ROWID;
  `,
];
