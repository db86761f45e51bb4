import { setTimeout as delay } from 'node:timers/promises';
import { millisecondsOf } from '../../src/bot/cron.ts';
import type { Clock } from '../discord/clock.ts';
import type { Pod } from './pod.ts';

/** Jobs that are due have run within this time. */
const WITHIN_MS = 60_000;

/** How far the clocks of a cluster are ahead of this machine's. */
export class ClusterClock {
  #aheadMs = 0;

  get aheadMs(): number {
    return this.#aheadMs;
  }

  /** The clock of the simulator. @param clock the one that it would have */
  of(clock: Clock): Clock {
    return { now: () => clock.now() + this.#aheadMs };
  }

  /**
   * Moves the clocks forward. Resolves when every job that is due has run, at the pods that run.
   * @param time such as `90s`, `15m`, `1h` or `2d`
   * @throws TypeError for anything else; an error if jobs are still due after a minute
   */
  async advance(time: string, pods: readonly Pod[]): Promise<void> {
    const ms = millisecondsOf(time);
    if (ms === null) {
      throw new TypeError(`${JSON.stringify(time)} is not a time: use a number with s, m, h or d, such as "15m"`);
    }
    this.#aheadMs += ms;
    await Promise.all(pods.map((pod) => pod.setClock()));
    await Promise.all(pods.filter(({ ordinal }) => ordinal !== null).map(jobsAreDone));
  }
}

async function jobsAreDone(pod: Pod): Promise<void> {
  const end = performance.now() + WITHIN_MS;
  while (pod.running && !pod.paused) {
    // A pod that does not serve yet has no such path.
    const jobs = await pod.admin<{ due?: number }>('/jobs').catch(() => ({ due: undefined }));
    if (jobs.due === 0) return;
    if (performance.now() > end)
      throw new Error(`jobs of ${pod.name} are due and not done after ${WITHIN_MS / 1_000} s`);
    await delay(20);
  }
}
