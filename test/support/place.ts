import { copyFileSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { type Bot, defineBot } from '../../src/bot/define-bot.ts';
import { gatewayConfig, loadConfig } from '../../src/config/load.ts';
import { certainlyNotSent } from '../../src/errors.ts';
import { startGatewayService } from '../../src/gateway/service.ts';
import { LinkClient } from '../../src/link/client.ts';
import { HEADER, headerValue } from '../../src/link/message.ts';
import { createTopology } from '../../src/routing/topology.ts';
import type { Service } from '../../src/service.ts';
import { findFreePorts } from '../../testkit/cluster/ports.ts';
import { NOTES, silent, temporaryFolder } from './store.ts';

const SECRET = 'a secret of the test cluster';

/** The handler of a note with this text runs until {@link releaseNotes}. */
export const HELD_NOTE = 'held';
const { promise: held, resolve: releaseNotes } = Promise.withResolvers<void>();

export { releaseNotes };

const NOTE_BOT = defineBot({
  name: 'test',
  tables: ['notes'],
  migrations: [NOTES],
  async fetch(request, context) {
    const text = await request.text();
    if (text === HELD_NOTE) await held;
    context.transaction((db) =>
      db.run('INSERT INTO notes (guild_id, text) VALUES (?, ?)', context.guildId ?? '', text),
    );
    return new Response('written', { status: 201 });
  },
});

export interface Written {
  readonly status: number;
  readonly text: string;
  readonly held: string | undefined;
  readonly refused: string | undefined;
}

export interface Started extends Service {
  /** Writes a note of a guild of this pod, over the link. */
  write(): Promise<Written>;
  /** The topologies in force and after it, from its database. */
  topologies(): readonly { readonly pods: number; readonly epoch: number }[];
}

interface SendOptions {
  readonly method?: string;
  readonly body?: string;
  /** An Idempotency-Key. */
  readonly key?: string;
}

interface PlaceOptions {
  /** Default: a bot that writes notes. */
  readonly bot?: Bot;
  /** Further environment of all pods. */
  readonly env?: Record<string, string>;
}

/** Up to five pods of one system: their ports and databases. */
export class Place implements AsyncDisposable {
  readonly #folder = temporaryFolder();
  readonly #basePort: number;
  readonly #started: Started[] = [];
  readonly #links = new Map<number, LinkClient>();

  readonly #options: PlaceOptions;

  private constructor(basePort: number, options: PlaceOptions) {
    this.#basePort = basePort;
    this.#options = options;
  }

  static async make(options: PlaceOptions = {}): Promise<Place> {
    return new Place(await findFreePorts(5), options);
  }

  async start(ordinal: number, pods: number, env: Record<string, string> = {}): Promise<Started> {
    const config = gatewayConfig(
      loadConfig({
        SERVICE_MODE: 'gateway',
        POD_NAME: `gateway-${ordinal}`,
        NUM_GATEWAY_PODS: String(pods),
        DATABASE_PATH: this.path(ordinal),
        LINK_SECRET: SECRET,
        HOST: '127.0.0.1',
        PORT: String(this.#basePort + ordinal),
        GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${this.#basePort}+ordinal}`,
        ...this.#options.env,
        ...env,
      }),
    );
    const { routing: strategy, epoch, discordShards } = config;
    const topology = createTopology({ strategy, pods, epoch, shards: discordShards ?? undefined });
    const { bot = NOTE_BOT } = this.#options;
    const service = await startGatewayService({ config, bot, topology, log: silent, registry: new Registry() });
    const started: Started = Object.assign(service, {
      write: () => this.write(ordinal, pods),
      topologies: () => this.#topologies(ordinal),
    });
    this.#started.push(started);
    return started;
  }

  /** Writes a note of a guild of a pod, over the link. */
  async write(ordinal: number, pods: number): Promise<Written> {
    const topology = createTopology({ strategy: 'md5', pods });
    const link = new LinkClient({
      ...{ url: `http://127.0.0.1:${this.portOf(ordinal)}`, ordinal, secret: SECRET, topology },
      ...{ name: 'test', log: silent, heartbeatMs: 1_000, connectTimeoutMs: 1_000, maxInFlight: 100 },
    });
    try {
      const target = `/api/guilds/${guildOf(ordinal, pods)}/notes`;
      const { status, headers, body } = await link.request(
        { method: 'POST', target, headers: [], body: Buffer.from('a note') },
        5_000,
      );
      const [held, refused] = [HEADER.held, HEADER.refusal].map((name) => headerValue(headers, name));
      return { status, text: body.toString(), held, refused };
    } finally {
      link.close();
    }
  }

  /** Sends a request for a guild over links, as an HTTP pod does: to a pod first, then where redirects lead. */
  async send(guild: string, first: number, options: SendOptions = {}): Promise<Written> {
    let pod = first;
    const end = performance.now() + 10_000;
    for (let hops = 0; ; hops++) {
      const answer = await this.#sendTo(pod, guild, options);
      // As an HTTP pod does: what was certainly not done is sent again.
      if (answer === null || answer.refused !== undefined) {
        if (performance.now() > end) return answer ?? { status: 0, text: 'away', held: undefined, refused: undefined };
        await delay(20);
        [pod, hops] = [first, -1];
      } else if (answer.owner === undefined || hops === 4) return answer;
      else pod = answer.owner;
    }
  }

  async #sendTo(
    pod: number,
    guild: string,
    { method = 'POST', body = 'a note', key }: SendOptions,
  ): Promise<(Written & { readonly owner: number | undefined }) | null> {
    try {
      const target = `/api/guilds/${guild}/notes`;
      const headers = key === undefined ? [] : ['idempotency-key', key];
      const request = { method, target, headers, body: Buffer.from(body) };
      const response = await this.#linkTo(pod).request(request, 8_000);
      const header = (name: string): string | undefined => headerValue(response.headers, name);
      const owner = response.status === 421 ? header(HEADER.owner) : undefined;
      return {
        status: response.status,
        text: response.body.toString(),
        ...{ held: header(HEADER.held), refused: header(HEADER.refusal) },
        owner: owner === undefined ? undefined : Number(owner),
      };
    } catch (error) {
      if (certainlyNotSent(error)) return null;
      throw error;
    }
  }

  #linkTo(ordinal: number): LinkClient {
    let link = this.#links.get(ordinal);
    if (link === undefined) {
      link = new LinkClient({
        ...{ url: `http://127.0.0.1:${this.portOf(ordinal)}`, ordinal, secret: SECRET },
        topology: createTopology({ strategy: 'md5', pods: 1 }),
        ...{ name: 'test', log: silent, heartbeatMs: 1_000, connectTimeoutMs: 1_000, maxInFlight: 1_000 },
      });
      this.#links.set(ordinal, link);
    }
    return link;
  }

  portOf(ordinal: number): number {
    return this.#basePort + ordinal;
  }

  path(ordinal: number): string {
    return this.#folder.file(`gateway-${ordinal}.sqlite3`);
  }

  /** The volume is gone. */
  lose(ordinal: number): void {
    for (const suffix of ['', '-wal', '-shm', '.lock', '.holder.json'])
      rmSync(this.path(ordinal) + suffix, { force: true });
  }

  /** Copies the database of a pod that does not run. */
  backUp(ordinal: number): void {
    copyFileSync(this.path(ordinal), `${this.path(ordinal)}.backup`);
  }

  /** Puts the copy on a new volume. */
  restore(ordinal: number): void {
    this.lose(ordinal);
    copyFileSync(`${this.path(ordinal)}.backup`, this.path(ordinal));
  }

  /** Notes in a pod's database; 0 where there is not even a table. */
  notes(ordinal: number): number {
    const sqlite = new DatabaseSync(this.path(ordinal), { readOnly: true });
    try {
      const tables = sqlite.prepare("SELECT name FROM sqlite_schema WHERE name = 'notes'").all();
      return tables.length === 0 ? 0 : Number(sqlite.prepare('SELECT count(*) AS n FROM notes').get()?.n);
    } finally {
      sqlite.close();
    }
  }

  /** Rows of a table in a pod's database. */
  count(ordinal: number, table: string): number {
    const sqlite = new DatabaseSync(this.path(ordinal), { readOnly: true });
    try {
      return Number(sqlite.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
    } finally {
      sqlite.close();
    }
  }

  /** The guilds of a pod's sessions, as it stored them. */
  listed(ordinal: number): string[] {
    const sqlite = new DatabaseSync(this.path(ordinal), { readOnly: true });
    try {
      const rows = sqlite.prepare('SELECT DISTINCT guild_id AS guild FROM guildway_session_guilds').all();
      return rows.map(({ guild }) => String(guild));
    } finally {
      sqlite.close();
    }
  }

  #topologies(ordinal: number): { pods: number; epoch: number }[] {
    const sqlite = new DatabaseSync(this.path(ordinal), { readOnly: true });
    try {
      const row = sqlite.prepare('SELECT chain FROM guildway_moving').get();
      return row === undefined ? [] : JSON.parse(row.chain as string);
    } finally {
      sqlite.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#links.values()) link.close();
    for (const pod of this.#started) await pod.close();
    this.#folder[Symbol.dispose]();
  }
}

export function guildOf(ordinal: number, pods: number): string {
  const topology = createTopology({ strategy: 'md5', pods });
  for (let id = 1n << 60n; ; id++) if (topology.ownerOf(String(id)) === ordinal) return String(id);
}

export const isReady = (pod: Service): boolean => pod.readiness().ready;
export const reasonsOf = (pod: Service): string => pod.readiness().reasons.join('\n');
