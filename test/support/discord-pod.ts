import { Registry } from 'prom-client';
import { defineBot } from '../../src/bot/define-bot.ts';
import type { BotDefinition } from '../../src/bot/types.ts';
import { gatewayConfig, loadConfig } from '../../src/config/load.ts';
import { startDiscordSessions } from '../../src/gateway/discord/index.ts';
import { createDiscordRest } from '../../src/gateway/discord/rest.ts';
import type { SessionTiming } from '../../src/gateway/discord/timing.ts';
import type {
  DiscordSessions,
  EventStart,
  ForwardSink,
  GuildEvent,
  HandledEvent,
  HandledEventStore,
  KeptSession,
  SessionStore,
  StoredSession,
} from '../../src/gateway/discord-seam.ts';
import type { Logger } from '../../src/observability/log.ts';
import { createTopology, type Topology } from '../../src/routing/topology.ts';
import type { DiscordSimulator } from '../../testkit/discord/index.ts';
import { ownershipOf } from './ownership.ts';

export const SECRET = 'a secret of the test cluster';

/** Sessions in memory, and everything that was ever stored. */
export class MemorySessions implements SessionStore {
  readonly rows = new Map<number, StoredSession>();
  readonly guilds = new Map<number, ReadonlySet<string>>();
  readonly failedResumes = new Map<number, number>();
  readonly writes: { readonly shard: number; readonly session: StoredSession }[] = [];
  /** Simulates disk errors by throwing. */
  fails = false;

  read(shard: number): KeptSession | null {
    const row = this.rows.get(shard);
    return row === undefined ? null : { ...row, failedResumes: this.failedResumes.get(shard) ?? 0 };
  }

  writeFailedResumes(shard: number, count: number): void {
    if (this.fails) throw new Error('the disk is full');
    this.failedResumes.set(shard, count);
  }

  write(shard: number, session: StoredSession): void {
    if (this.fails) throw new Error('the disk is full');
    this.rows.set(shard, session);
    this.writes.push({ shard, session });
  }

  clear(shard: number): void {
    if (this.fails) throw new Error('the disk is full');
    this.rows.delete(shard);
    this.guilds.delete(shard);
    this.failedResumes.delete(shard);
  }

  readGuilds(shard: number): string[] {
    return [...(this.guilds.get(shard) ?? [])];
  }

  isListed(guildId: string): boolean {
    return this.guilds.values().some((ids) => ids.has(guildId));
  }

  writeGuilds(shard: number, guildIds: ReadonlySet<string>): void {
    if (this.fails) throw new Error('the disk is full');
    this.guilds.set(shard, new Set(guildIds));
  }
}

/** What owners of guilds have handled, in memory. */
export class MemoryHandled implements HandledEventStore {
  readonly rows = new Map<string, HandledEvent[]>();
  readonly startRows: EventStart[] = [];

  record(guildId: string, sessionId: string, sequence: number, hash: string): void {
    const rows = this.rows.get(guildId) ?? [];
    this.rows.set(guildId, rows);
    if (rows.some((row) => row.sessionId === sessionId && row.sequence === sequence)) return;
    rows.push({ sessionId, sequence, hash, matchedSession: null, matchedSequence: null });
  }

  imported(_guildIds: readonly string[], starts: readonly EventStart[]): void {
    this.startRows.push(...starts);
  }

  listOf(guildId: string): HandledEvent[] {
    return [...(this.rows.get(guildId) ?? [])];
  }

  listed(): string[] {
    return [...this.rows.keys()];
  }

  match(guildId: string, handled: HandledEvent, matchedSession: string, matchedSequence: number): void {
    const rows = this.rows.get(guildId) ?? [];
    const at = rows.findIndex(
      ({ sessionId, sequence }) => sessionId === handled.sessionId && sequence === handled.sequence,
    );
    rows[at] = { ...handled, matchedSession, matchedSequence };
  }

  starts(): EventStart[] {
    return this.startRows;
  }
}

export interface LogLine {
  readonly level: string;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** A log that records its lines. */
export function recordingLog(): { log: Logger; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: string) =>
    (facts: object | string, text?: string): void =>
      void lines.push(
        typeof facts === 'string'
          ? { level, facts: {}, text: facts }
          : { level, facts: { ...facts }, text: text ?? '' },
      );
  const log = {
    ...{ debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), fatal: at('fatal') },
    isLevelEnabled: () => false,
    child: () => log,
  };
  return { log: log as unknown as Logger, lines };
}

export interface DiscordPodOptions {
  readonly ordinal?: number;
  readonly topology?: Topology;
  readonly store?: MemorySessions;
  readonly bot?: Partial<BotDefinition>;
  /** Handles an event after it was recorded. */
  readonly handle?: (event: GuildEvent) => Promise<void> | void;
  /** Receives events of other owners' guilds. */
  readonly forward?: ForwardSink;
  /** Overrides of the defaults. */
  readonly timing?: Partial<SessionTiming>;
  /** Further environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface DiscordPod extends AsyncDisposable {
  readonly sessions: DiscordSessions;
  readonly store: MemorySessions;
  readonly events: GuildEvent[];
  readonly lines: LogLine[];
  readonly registry: Registry;
  /** The contents of handled messages. */
  contents(): string[];
  metric(name: string): Promise<number>;
}

/** The Discord part of a gateway pod. Closed at the end like a kill: nothing more is stored. */
export async function startDiscordPod(discord: DiscordSimulator, options: DiscordPodOptions = {}): Promise<DiscordPod> {
  const topology = options.topology ?? createTopology({ strategy: 'md5', pods: 1 });
  const ordinal = options.ordinal ?? 0;
  const config = gatewayConfig(
    loadConfig({
      SERVICE_MODE: 'gateway',
      POD_NAME: `gateway-${ordinal}`,
      NUM_GATEWAY_PODS: String(topology.pods),
      LINK_SECRET: SECRET,
      DISCORD_TOKEN: discord.token,
      DISCORD_APP_ID: discord.applicationId,
      DISCORD_API_URL: discord.apiUrl,
      IDENTIFY_INTERVAL_MS: '1',
      ...(topology.strategy === 'md5' ? { DISCORD_SHARDS: '1' } : {}),
      ...options.env,
    }),
  );
  const store = options.store ?? new MemorySessions();
  const events: GuildEvent[] = [];
  const { log, lines } = recordingLog();
  const registry = new Registry();
  const sessions = await startDiscordSessions({
    config,
    bot: defineBot({ name: 'test', intents: 512 | 4096 | 32768, ...options.bot }),
    ownership: ownershipOf(ordinal, topology),
    handled: new MemoryHandled(),
    pods: topology.pods,
    sessions: store,
    dispatch: async (event) => {
      events.push(event);
      await options.handle?.(event);
    },
    forward: options.forward ?? (() => Promise.resolve()),
    rest: createDiscordRest({ config, pods: topology.pods, log }),
    log,
    registry,
    ...(options.timing === undefined ? {} : { timing: options.timing }),
  });
  return {
    sessions,
    store,
    events,
    lines,
    registry,
    contents: () =>
      events.filter(({ name }) => name === 'MESSAGE_CREATE').map(({ data }) => (data as { content: string }).content),
    metric: async (name) =>
      ((await registry.getSingleMetric(name)?.get())?.values ?? []).reduce((sum, { value }) => sum + value, 0),
    [Symbol.asyncDispose]: () => sessions.close(),
  };
}

/** Whether every shard is ready. */
export const isReady = ({ sessions }: DiscordPod) => sessions.readiness().ready;
