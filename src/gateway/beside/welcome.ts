import type { GatewayReadyDispatchData } from 'discord-api-types/v10';
import { type Duration, inMs, type MonotonicTime, remaining } from '../../time.ts';
import type { BesideStore } from './beside-store.ts';
import type { GuildCache } from './guild-cache.ts';
import type { Identify } from './protocol.ts';

/** How long the bot waits for guilds that Discord has listed and does not send. Such a guild is down at Discord. */
const GRACE_MS = 10_000;

const READY = 'ready';
const INTENTS = 'intents';
/** Every shard has had a session: what is on disk is the whole bot. */
const COMPLETE = 'complete';

export type ReadyFields = Readonly<Record<string, unknown>>;

export interface WelcomeOptions {
  readonly store: BesideStore;
  readonly guilds: GuildCache;
  /** Whether each shard of this pod has a session. */
  readonly hasSessions: () => boolean;
  /** What READY had shown to the bot has changed: it must identify again. */
  readonly onOutdated: () => void;
  readonly graceMs?: Duration;
}

/**
 * What READY shows to the bot: Discord's own READY, and the guilds of this pod. Known from disk after a restart; the first time, the
 * bot waits until Discord has sent its guilds.
 */
export class Welcome {
  readonly #options: WelcomeOptions;
  #fields: ReadyFields | undefined;
  #isComplete: boolean;
  /** A session has begun since the bot was welcomed. */
  #isOutdated = false;
  #graceEndsAt: MonotonicTime;
  #timer: NodeJS.Timeout | null = null;
  readonly #waiting: (() => void)[] = [];

  constructor(options: WelcomeOptions) {
    const { store, graceMs = GRACE_MS } = options;
    this.#options = options;
    this.#fields = store.fact(READY) as ReadyFields | undefined;
    this.#isComplete = store.fact(COMPLETE) === true;
    this.#graceEndsAt = inMs(graceMs);
  }

  /** The id of the application; null until Discord has said it. */
  get applicationId(): string | null {
    return (this.#fields?.application as { id: string } | undefined)?.id ?? null;
  }

  /** The intents of the bot's last IDENTIFY; null: it has never identified. */
  get intents(): number | null {
    const intents = this.#options.store.fact(INTENTS);
    return typeof intents === 'number' ? intents : null;
  }

  /** Notes the intents of an IDENTIFY. */
  async noteIntents({ intents }: Identify): Promise<void> {
    const { store } = this.#options;
    if (this.intents !== intents) await store.write(() => store.putFact(INTENTS, intents));
  }

  /** A session of a shard has begun; its guilds are noted already. */
  async onSession(data: GatewayReadyDispatchData): Promise<void> {
    const { store, graceMs = GRACE_MS } = this.#options;
    const { guilds: _, session_id: __, resume_gateway_url: ___, shard: ____, ...fields } = data;
    this.#fields = fields;
    this.#isOutdated = true;
    this.#graceEndsAt = inMs(graceMs);
    await store.write(() => store.putFact(READY, fields));
    this.check();
  }

  /** Resolves when the bot may be greeted. @returns the fields of READY that do not depend on the bot's session */
  async fields(): Promise<ReadyFields> {
    while (this.#fields === undefined || !this.#isSettled()) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        this.check();
      });
    }
    return this.#fields;
  }

  /** A guild has arrived, or a session has become ready. */
  check(): void {
    if (this.#fields === undefined || !this.#isSettled()) {
      this.#timer ??= setTimeout(() => {
        this.#timer = null;
        if (this.#waiting.length > 0 || this.#isOutdated) this.check();
      }, 250).unref();
      return;
    }
    for (const resolve of this.#waiting.splice(0)) resolve();
    if (!this.#isOutdated) return;
    this.#isOutdated = false;
    this.#options.onOutdated();
  }

  /** The guilds that Discord has listed have arrived, or it had time enough to send them. */
  #isSettled(): boolean {
    const { store, guilds, hasSessions } = this.#options;
    if (guilds.expectedCount > 0 && remaining(this.#graceEndsAt) > 0) return false;
    if (this.#isComplete) return true;
    if (!hasSessions()) return false;
    this.#isComplete = true;
    void store.write(() => store.putFact(COMPLETE, true)).catch(() => {});
    return true;
  }
}
