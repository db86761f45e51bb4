import type { Fate, Operation, Via } from './history.ts';

/** What the client knows now; `pending` until its first answer, `deferred` between a deferred response and what completes it. */
export type Knowledge = Fate | 'pending' | 'deferred';

/** One operation as its client sees it. Times are on the clock of `performance.now()`. */
export interface Entry {
  readonly id: string;
  readonly guildId: string;
  readonly via: Via;
  readonly steps: number;
  /** It was made slow on purpose. */
  readonly slow: boolean;
  readonly sentAt: number;
  /** When the first answer came; for what has no answer, null. */
  answeredAt: number | null;
  /** When the last one came: the completion of a deferred response, or the first answer. */
  settledAt: number | null;
  knowledge: Knowledge;
  /** It got a deferred response, whatever became of it. */
  wasDeferred: boolean;
  /** Discord got no valid response in time. */
  unanswered: boolean;
  /** Why requests for it failed, in words; those that the client repeated are included. */
  readonly failedRequests: string[];
  /** Why the outcome is what it is, where that is of interest. */
  note: string | null;
}

/** The history of one run. */
export class Recorder {
  readonly entries: Entry[] = [];
  readonly #prefix: string;

  /** @param prefix makes the numbers of this run different from those of others */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  begin(operation: { guildId: string; via: Via; steps: number; slow?: boolean }): Entry {
    const entry: Entry = {
      id: `${this.#prefix}-${this.entries.length}`,
      guildId: operation.guildId,
      via: operation.via,
      steps: operation.steps,
      slow: operation.slow ?? false,
      sentAt: performance.now(),
      answeredAt: null,
      settledAt: null,
      knowledge: 'pending',
      wasDeferred: false,
      unanswered: false,
      failedRequests: [],
      note: null,
    };
    this.entries.push(entry);
    return entry;
  }

  /** The first answer. */
  answer(entry: Entry, knowledge: Exclude<Knowledge, 'pending'>, note: string | null = null): void {
    entry.answeredAt = performance.now();
    entry.settledAt = entry.answeredAt;
    entry.knowledge = knowledge;
    entry.wasDeferred = knowledge === 'deferred';
    entry.note = note;
  }

  /** What followed a deferred response. */
  settle(entry: Entry, fate: Fate, note: string | null = null): void {
    entry.settledAt = performance.now();
    entry.knowledge = fate;
    entry.note = note;
  }

  count(...knowledge: readonly Knowledge[]): number {
    return this.entries.reduce((sum, entry) => sum + (knowledge.includes(entry.knowledge) ? 1 : 0), 0);
  }

  /** The history for the check: what still waits for a first answer is unknown, what is deferred is unresolved. */
  history(): Operation[] {
    return this.entries.map(({ id, guildId, via, steps, knowledge }) => {
      const fate = knowledge === 'pending' ? 'unknown' : knowledge === 'deferred' ? 'unresolved' : knowledge;
      return { id, guildId, via, steps, fate };
    });
  }
}
