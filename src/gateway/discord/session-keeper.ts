import type { Logger } from '../../observability/log.ts';
import type { OwnedGuilds } from './guilds.ts';
import type { ShardSessions } from './sessions.ts';

/** How often it stores: what a killed pod gets again is at most this long. */
const INTERVAL_MS = 250;

/** Stores how far events were handled, and which guilds there are. */
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

  /** Stores nothing more by itself. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** Stores what has changed. Never throws: what could not be stored is stored the next time. */
  persist(): void {
    try {
      // Guilds first: events up to the stored sequence do not come again, so what they said of guilds must be stored before.
      const guilds = this.#guilds.persist();
      if (!this.#sessions.persist() && !guilds) return;
      if (this.#fails) this.#log.info('how far events were handled is stored again');
      this.#fails = false;
    } catch (error) {
      // Their events come again from where the store is. Said once: this runs several times a second.
      if (!this.#fails) this.#log.error({ err: error }, 'cannot store how far events were handled');
      this.#fails = true;
    }
  }
}
