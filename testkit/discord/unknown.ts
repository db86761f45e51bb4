import type { Feed } from './feed.ts';
import type { SimulatorLog } from './options.ts';

const MAX_KINDS = 200;

/** What an application asks of Discord and the simulator does not simulate: routes, fields of bodies, opcodes. */
export class UnknownRequests {
  readonly #log: SimulatorLog;
  readonly #feed: Feed;
  readonly #counts = new Map<string, number>();

  constructor(log: SimulatorLog, feed: Feed) {
    this.#log = log;
    this.#feed = feed;
  }

  /** @param what without ids and tokens: `GET /guilds/:id/templates`, `gateway opcode 31` */
  add(what: string): void {
    const before = this.#counts.get(what) ?? 0;
    if (before === 0 && this.#counts.size >= MAX_KINDS) return;
    this.#counts.set(what, before + 1);
    if (before > 0) return;
    this.#log('not simulated', { what });
    this.#feed.publish({ type: 'unknown_route', route: what });
  }

  /** The number of requests of each kind. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
