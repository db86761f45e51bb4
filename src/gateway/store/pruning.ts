import type { Logger } from '../../observability/log.ts';
import type { Duration } from '../../time.ts';
import type { Store } from './store.ts';

const INTERVAL_MS = 5_000;
/** Small enough not to delay requests noticeably. */
const ROWS_PER_STEP = 200;
const STEPS_PER_INTERVAL = 100;

/** A chunk is about 64 KiB before compression. */
const CHUNKS_PER_STEP = 50;

export interface PruningOptions {
  readonly store: Pick<Store, 'connection' | 'ledger' | 'mover' | 'keyRanges' | 'handledEvents' | 'movingState'>;
  /** How long copies of given-away guilds are kept. */
  readonly setAsideMs: Duration;
  readonly log: Logger;
}

/**
 * Removes expired ledger rows, expired records of handled events, expired copies of guilds, and rows of large guilds that were given away, in small steps between
 * requests. Also keeps the keys of new rows in this pod's blocks.
 * @returns a function that stops it
 */
export function startPruning({ store, setAsideMs, log }: PruningOptions): () => void {
  let stopped = false;
  const step = (left: number): void => {
    if (stopped) return;
    try {
      const rows = store.ledger.prune(ROWS_PER_STEP);
      const handled = store.handledEvents.prune(ROWS_PER_STEP, store.movingState.leaving);
      const chunks = store.mover.setAside.prune(setAsideMs, CHUNKS_PER_STEP);
      const leftovers = store.mover.removeLeftovers(ROWS_PER_STEP);
      const isFull = rows === ROWS_PER_STEP || handled === ROWS_PER_STEP || chunks === CHUNKS_PER_STEP;
      if ((isFull || leftovers > 0) && left > 1) setImmediate(step, left - 1);
      else store.connection.join('normal', 'other', () => store.keyRanges.advance());
    } catch (error) {
      log.warn({ err: error }, 'the database could not be pruned');
    }
  };
  const timer = setInterval(step, INTERVAL_MS, STEPS_PER_INTERVAL).unref();
  return () => {
    stopped = true;
    clearInterval(timer);
  };
}
