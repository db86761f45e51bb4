import type { WallTime } from '../../time.ts';
import { kindOf } from './fate.ts';
import type { OwnerQueue } from './owner-queue.ts';

/** The hints for one owner, as the admin port shows them. */
export interface OwnerSummary {
  readonly owner: number;
  readonly count: number;
  readonly inFlight: number;
  readonly oldestSeconds: number;
  /** Of requests that a user waits for. */
  readonly oldestInteractionSeconds: number;
  /** Requests that the owner has not accepted yet, up to {@link LISTED}. */
  readonly retrying: readonly RetryingSummary[];
}

interface RetryingSummary {
  readonly identity: string;
  readonly guild: string | null;
  readonly failures: number;
  readonly lastFailure: string;
  readonly ageSeconds: number;
}

const LISTED = 100;

export function summarize(queues: Iterable<[owner: number, queue: OwnerQueue]>, now: WallTime): OwnerSummary[] {
  return [...queues].map(([owner, queue]) => {
    let count = 0;
    let oldest: number = now;
    let oldestInteraction: number = now;
    const retrying: RetryingSummary[] = [];
    for (const { entry, failures, lastFailure } of queue.pending()) {
      count++;
      oldest = Math.min(oldest, entry.storedAt);
      if (kindOf(entry) === 'interaction') oldestInteraction = Math.min(oldestInteraction, entry.storedAt);
      if (lastFailure === null || retrying.length === LISTED) continue;
      const ageSeconds = Math.round((now - entry.storedAt) / 1_000);
      retrying.push({ identity: entry.identity, guild: entry.guildId, failures, lastFailure, ageSeconds });
    }
    const age = (since: number): number => (now - since) / 1_000;
    return {
      ...{ owner, count, inFlight: queue.inFlight, retrying },
      ...{ oldestSeconds: age(oldest), oldestInteractionSeconds: age(oldestInteraction) },
    };
  });
}
