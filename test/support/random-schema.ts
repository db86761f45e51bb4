import type { DatabaseSync } from 'node:sqlite';
import type { BotDefinition } from '../../src/bot/types.ts';

/** Random numbers that depend on the seed alone. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return { below, pick: (values) => values[below(values.length)] as never, chance: (share) => next() < share };
}

export interface Random {
  below(limit: number): number;
  pick<Value>(values: readonly Value[]): Value;
  chance(share: number): boolean;
}

type Value = null | bigint | number | string | Uint8Array;

interface RandomTable {
  readonly name: string;
  readonly sql: string;
  readonly declaration: NonNullable<BotDefinition['tables']>[number];
  /** Inserts a row of a guild, if there is a parent row. */
  insert(sqlite: DatabaseSync, guildId: string): void;
}

const VALUES: readonly Value[] = [
  ...[null, 0n, 1n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), 1.0, 0.1, -0.0, 1e300, Infinity],
  ...['', 'text', "quo'te", 'nul\0inside', '🎲', '12', '1e3', 'x'.repeat(3_000)],
  ...[new Uint8Array(), new Uint8Array([0, 255, 1]), new Uint8Array(2_000).fill(7)],
];

/** Values that a column of a STRICT table accepts. */
const STRICT_VALUES: Readonly<Record<string, readonly Value[]>> = {
  TEXT: VALUES.filter((value) => value === null || typeof value === 'string'),
  INTEGER: VALUES.filter((value) => value === null || typeof value === 'bigint'),
  REAL: VALUES.filter((value) => value === null || typeof value === 'number'),
  BLOB: VALUES.filter((value) => value === null || value instanceof Uint8Array),
  ANY: VALUES,
};

/** A bot with random tables: every kind of key, type and reference that SQLite has. */
export function randomBot(random: Random): {
  bot: Pick<BotDefinition, 'tables' | 'global' | 'migrations'>;
  tables: RandomTable[];
} {
  const tables: RandomTable[] = [];
  // Text keys are unique across all databases of a test; integer keys may conflict.
  let unique = random.below(2 ** 31);
  const count = 1 + random.below(4);
  for (let i = 0; i < count; i++) {
    const parent = tables.filter(({ sql }) => /id INTEGER PRIMARY KEY/.test(sql)).at(-1);
    tables.push(randomTable(random, `t${i}`, parent, () => `key ${unique++}`));
  }
  const triggers = random.chance(0.5)
    ? tables.map(
        ({
          name,
        }) => `CREATE TRIGGER ${name}_added AFTER INSERT ON ${name} BEGIN INSERT INTO audit VALUES ('1', 'added'); END;
          CREATE TRIGGER ${name}_removed AFTER DELETE ON ${name} BEGIN INSERT INTO audit VALUES ('1', 'removed'); END;`,
      )
    : [];
  const audit = 'CREATE TABLE audit (guild_id TEXT NOT NULL, what TEXT NOT NULL)';
  return {
    bot: {
      migrations: [[...tables.map(({ sql }) => sql), audit, ''].join(';\n'), ...triggers],
      tables: [...tables.map(({ declaration }) => declaration), 'audit'],
    },
    tables,
  };
}

function randomTable(random: Random, name: string, parent: RandomTable | undefined, key: () => string): RandomTable {
  const strict = random.chance(0.3);
  const types = strict ? Object.keys(STRICT_VALUES) : ['TEXT', 'INTEGER', 'REAL', 'BLOB', 'VARCHAR(10)', 'NUMERIC', ''];
  const via = parent !== undefined && random.chance(0.4);
  const reference = parent !== undefined && !via && random.chance(0.4);
  const guildType = random.pick(strict ? ['TEXT', 'INTEGER', 'ANY'] : ['TEXT', 'INTEGER', 'BIGINT', '']);
  const kind = random.pick(['rowid', 'rowid', 'counted', 'none', 'text', 'pair'] as const);
  const withoutRowid = (kind === 'text' || kind === 'pair') && random.chance(0.5);
  const columns = Array.from({ length: 1 + random.below(4) }, (_, i) => ({ name: `c${i}`, type: random.pick(types) }));
  const guild = via
    ? `parent INTEGER NOT NULL REFERENCES ${parent.name} ON DELETE CASCADE`
    : `guild ${guildType} NOT NULL`;
  const definitions = [
    ...(kind === 'rowid' ? ['id INTEGER PRIMARY KEY'] : []),
    ...(kind === 'counted' ? ['id INTEGER PRIMARY KEY AUTOINCREMENT'] : []),
    ...(kind === 'text' ? ['key TEXT PRIMARY KEY'] : []),
    ...(kind === 'pair' ? ['key TEXT NOT NULL', 'number INTEGER NOT NULL'] : []),
    guild,
    ...(reference
      ? [`other INTEGER REFERENCES ${parent.name} ON DELETE ${random.pick(['CASCADE', 'SET NULL', 'RESTRICT'])}`]
      : []),
    ...columns.map((column) => `${column.name} ${column.type}`),
    ...(random.chance(0.3)
      ? [`made ${strict ? 'ANY' : ''} AS (typeof(c0)) ${random.pick(['STORED', 'VIRTUAL'])}`]
      : []),
    ...(kind === 'pair' ? ['PRIMARY KEY (number, key)'] : []),
  ];
  const options = [...(strict ? ['STRICT'] : []), ...(withoutRowid ? ['WITHOUT ROWID'] : [])].join(', ');
  const index =
    random.chance(0.3) && kind === 'text' ? `; CREATE UNIQUE INDEX ${name}_unique ON ${name} (key, c0)` : '';
  const parentKey = (sqlite: DatabaseSync, guildId: string): bigint | null => {
    const statement = sqlite.prepare(`SELECT id FROM made_rows WHERE name = ? AND guild = ? ORDER BY random() LIMIT 1`);
    statement.setReadBigInts(true);
    return (statement.get(parent?.name ?? '', guildId)?.id as bigint | undefined) ?? null;
  };
  return {
    name,
    sql: `CREATE TABLE ${name} (${definitions.join(', ')}) ${options}${index}`,
    declaration: {
      name,
      guild: via ? { via: parent.name, on: 'parent' } : 'guild',
    },
    insert(sqlite, guildId) {
      const names: string[] = [];
      const values: Value[] = [];
      const set = (column: string, value: Value): void => {
        names.push(column);
        values.push(value);
      };
      if (kind === 'text') set('key', withoutRowid || strict || random.chance(0.9) ? key() : null);
      if (kind === 'pair') {
        set('key', key());
        set('number', BigInt(random.below(3)));
      }
      const hangsOn = via || reference ? parentKey(sqlite, guildId) : null;
      if (via && hangsOn === null) return;
      if (via) set('parent', hangsOn);
      else set('guild', random.chance(0.5) ? guildId : BigInt(guildId));
      if (guildType === 'TEXT' && strict && !via) values[values.length - 1] = guildId;
      if (guildType === 'INTEGER' && strict && !via) values[values.length - 1] = BigInt(guildId);
      if (reference) set('other', hangsOn);
      for (const { name: column, type } of columns)
        set(column, random.pick(strict ? (STRICT_VALUES[type] ?? []) : VALUES));
      const statement = sqlite.prepare(
        `INSERT INTO ${name} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
      );
      const { lastInsertRowid } = statement.run(...values);
      sqlite.prepare('INSERT INTO made_rows VALUES (?, ?, ?)').run(name, guildId, lastInsertRowid);
    },
  };
}

/** Fills a database; `made_rows` is a temporary table. */
export function fillRandomly(
  sqlite: DatabaseSync,
  tables: readonly RandomTable[],
  guildIds: readonly string[],
  rows: number,
): void {
  sqlite.exec('CREATE TEMP TABLE IF NOT EXISTS made_rows (name TEXT, guild TEXT, id INTEGER)');
  for (const table of tables) {
    for (let i = 0; i < rows; i++) table.insert(sqlite, guildIds[i % guildIds.length] as string);
  }
  sqlite.exec('DROP TABLE made_rows');
}
