import type { Logger } from '../../observability/log.ts';
import type { OwnedGuilds } from './guilds.ts';
import type { ShardSessions } from './sessions.ts';

/** The interval of stores. A killed pod gets at most this much again. */
const INTERVAL_MS = 250;

/** Stores how far events have been handled, and the guilds. */
export class SessionKeeper {
  readonly #sessions: ShardSessions;
  readonly #guilds: OwnedGuilds;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | null = null;
  #fails = false;

  constructor(options: { sessions: ShardSessions; guilds: OwnedGuilds; log: Logger }) {
    this.#sessions = options.sessions;
    this.#guilds = options.guilds;
    this.#log = options.log;
  }

  start(): void {
    this.#timer = setInterval(() => this.persist(), INTERVAL_MS);
  }

  /** Stops storing periodically. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Stores the changes. Never throws: changes that could not be stored are stored next time. */
  persist(): void {
    try {
      // Guilds first: events up to the stored sequence are not delivered again, so their changes to guilds must be stored
      // before.
      const guilds = this.#guilds.persist();
      if (!this.#sessions.persist() && !guilds) return;
      if (this.#fails) this.#log.info('how far events were handled is stored again');
      this.#fails = false;
    } catch (error) {
      // Events after the stored sequence are delivered again. Logged once, because this runs several times per second.
      if (!this.#fails) this.#log.error({ err: error }, 'cannot store how far events were handled');
      this.#fails = true;
    }
  }
}
