import type { Fate, Operation, Via } from './history.ts';

/** What the client knows now: `pending` until the first response, `deferred` between a deferred response and its completion. */
export type Knowledge = Fate | 'pending' | 'deferred';

/** One operation as its client sees it. Times are on the clock of `performance.now()`. */
export interface Entry {
  readonly id: string;
  readonly guildId: string;
  readonly via: Via;
  readonly steps: number;
  /** The handler delays its response on purpose. */
  readonly slow: boolean;
  readonly sentAt: number;
  /** The time of the first response; null without one. */
  answeredAt: number | null;
  /** The time of the last response: the completion of a deferred response, or the first response. */
  settledAt: number | null;
  knowledge: Knowledge;
  /** The first response was deferred, regardless of its completion. */
  wasDeferred: boolean;
  /** Discord got no valid response in time. */
  unanswered: boolean;
  /** Why requests for this operation failed, including those that the client repeated. */
  readonly failedRequests: string[];
  /** The reason for the outcome, if it is not success. */
  note: string | null;
}

/** The history of one run. */
export class Recorder {
  readonly entries: Entry[] = [];
  readonly #prefix: string;

  /** @param prefix distinguishes the operation numbers of this run from those of other runs */
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

  /** Records the first response. */
  answer(entry: Entry, knowledge: Exclude<Knowledge, 'pending'>, note: string | null = null): void {
    entry.answeredAt = performance.now();
    entry.settledAt = entry.answeredAt;
    entry.knowledge = knowledge;
    entry.wasDeferred = knowledge === 'deferred';
    entry.note = note;
  }

  /** Records the completion of a deferred response. */
  settle(entry: Entry, fate: Fate, note: string | null = null): void {
    entry.settledAt = performance.now();
    entry.knowledge = fate;
    entry.note = note;
  }

  count(...knowledge: readonly Knowledge[]): number {
    return this.entries.reduce((sum, entry) => sum + (knowledge.includes(entry.knowledge) ? 1 : 0), 0);
  }

  /** The history for the check. Pending operations become `unknown`, deferred ones `unresolved`. */
  history(): Operation[] {
    return this.entries.map(({ id, guildId, via, steps, knowledge }) => {
      const fate = knowledge === 'pending' ? 'unknown' : knowledge === 'deferred' ? 'unresolved' : knowledge;
      return { id, guildId, via, steps, fate };
    });
  }
}
