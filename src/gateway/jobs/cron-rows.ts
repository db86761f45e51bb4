import { setImmediate as nextTurn } from 'node:timers/promises';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import type { GuildOwnership } from '../moving/guild-ownership.ts';
import type { Store } from '../store/store.ts';
import type { CronPlan } from './cron-plans.ts';

export interface CronRowsOptions {
  readonly plans: ReadonlyMap<string, CronPlan>;
  readonly pod: number;
  readonly store: Pick<Store, 'connection' | 'jobs'>;
  readonly ownership: Pick<GuildOwnership, 'decide'>;
  /** The guilds that the bot is in; null: not known at present. */
  readonly members: () => ReadonlySet<string> | null;
  readonly log: Logger;
}

/** A guild that the bot joins has its rows after this time at the latest. */
const INTERVAL_MS = 10_000;
/** A session lists its guilds some time after the pod has started. */
const NOT_KNOWN_MS = 500;
const ROWS_PER_TURN = 500;

/** Keeps a row of `guildway_jobs` for the next run of each cron job: for each guild, for this pod, and for pod 0. */
export class CronRows {
  readonly #options: CronRowsOptions;
  readonly #perGuild: readonly CronPlan[];
  /** Guilds with rows that the bot is not in. */
  #absent: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(options: CronRowsOptions) {
    this.#options = options;
    this.#perGuild = [...options.plans.values()].filter(({ handler }) => handler.per === 'guild');
  }

  /** Whether a row is run: the bot is in its guild, and it is of the pod or of pod 0 as declared. @param guildId `''`: none */
  isRun({ handler }: CronPlan, guildId: string): boolean {
    if (handler.per === 'guild') return guildId !== '' && !this.#absent.has(guildId);
    return guildId === '' && (handler.per === 'pod' || this.#options.pod === 0);
  }

  start(): void {
    const { plans, store } = this.#options;
    const own = [...plans.values()].filter(({ handler }) => handler.per !== 'guild');
    if (own.length > 0) {
      store.connection.join('normal', 'other', () => {
        for (const plan of own) if (this.isRun(plan, '')) this.#add(plan, '');
      });
    }
    if (this.#perGuild.length === 0) return;
    void this.#repeat();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #repeat(): Promise<void> {
    const isKnown = await this.update();
    if (!this.#stopped)
      this.#timer = setTimeout(() => void this.#repeat(), isKnown ? INTERVAL_MS : NOT_KNOWN_MS).unref();
  }

  /** Adds the rows of guilds that have none. Never rejects. @returns false: the guilds are not known yet */
  async update(): Promise<boolean> {
    const { store, ownership, members, log } = this.#options;
    try {
      const guilds = members();
      if (guilds === null) return false;
      const absent = new Set<string>();
      for (const plan of this.#perGuild) {
        const withRow = new Set(store.jobs.guildsWith(plan.rowName, plan.spec));
        for (const guildId of withRow) if (!guilds.has(guildId)) absent.add(guildId);
        const missing = [...guilds].filter((guildId) => !withRow.has(guildId));
        for (let i = 0; i < missing.length && !this.#stopped; i += ROWS_PER_TURN) {
          store.connection.join('normal', 'other', () => {
            for (const guildId of missing.slice(i, i + ROWS_PER_TURN))
              if (ownership.decide(guildId).kind === 'serve') this.#add(plan, guildId);
          });
          await nextTurn();
        }
      }
      this.#absent = absent;
    } catch (error) {
      log.warn({ err: errorFacts(error) }, 'the next runs of cron jobs could not be stored; trying again in 10 s');
    }
    return true;
  }

  #add({ rowName, spec, next }: CronPlan, guildId: string): void {
    const { jobs } = this.#options.store;
    const dueAt = next(jobs.now(), guildId);
    if (dueAt !== null) jobs.addRepeated({ guildId, name: rowName, key: rowName, payload: spec, dueAt });
  }
}
