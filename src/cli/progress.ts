import { asVariables, type TopologyRecord } from '../routing/topology.ts';
import { type MonotonicClock, monotonicNow } from '../time.ts';
import type { PodState, Pods } from './pods.ts';
import { count, duration, percent, style } from './style.ts';

/** How far a move is, over all pods. */
export interface MoveProgress {
  readonly from: TopologyRecord;
  readonly to: TopologyRecord;
  /** Guilds that have arrived, and those that are known to have left to move. */
  readonly arrived: number;
  readonly left: number;
  /** Pods that have given away every guild that is not theirs, and all pods that take part. */
  readonly donePods: number;
  readonly pods: number;
  /** What holds it, as sentences. */
  readonly troubles: readonly string[];
}

/** @returns null when no guild moves, as far as the pods that answered know */
export function progressOf({ answers }: Pods): MoveProgress | null {
  const states = Object.values(answers).filter((state) => state.moving !== undefined);
  const chains = states.flatMap(({ moving }) => (moving === undefined ? [] : [moving.topologies]));
  // The pod that has heard most.
  const chain = chains.toSorted((a, b) => (b.at(-1)?.epoch ?? 0) - (a.at(-1)?.epoch ?? 0) || b.length - a.length)[0];
  const from = chain?.[0];
  const to = chain?.at(-1);
  if (from === undefined || to === undefined || from === to) return null;
  const sum = (of: (moving: NonNullable<PodState['moving']>) => number): number =>
    states.reduce((total, { moving }) => total + (moving === undefined ? 0 : of(moving)), 0);
  const done = new Set(
    states.flatMap(({ moving }) =>
      (moving?.done ?? []).flatMap(({ pod, epochs }) => (epochs.includes(to.epoch) ? [pod] : [])),
    ),
  );
  return {
    ...{ from, to },
    arrived: sum(({ arrived }) => arrived),
    left: sum(({ toMove, leaving }) => toMove + leaving),
    donePods: done.size,
    pods: Math.max(...(chain ?? []).map(({ pods }) => pods)),
    troubles: states.flatMap(({ name, moving }) => troublesOf(name, moving)),
  };
}

/** Sentences about what holds the guilds of a pod. */
export function troublesOf(name: string, moving: PodState['moving']): string[] {
  if (moving === undefined) return [];
  return [
    ...(moving.problem === null ? [] : [`${name}: ${moving.problem}`]),
    ...moving.troubles.map(
      ({ why, guilds, example }) =>
        `${name}: ${count(guilds)} ${guilds === 1 ? 'guild does' : 'guilds do'} not move yet, such as ${example}: ${why}`,
    ),
  ];
}

const WIDTH = 30;

/** Estimates the remaining time from one look to the next. */
export class ProgressBar {
  #first: { readonly arrived: number; readonly at: number; readonly epoch: number } | null = null;
  readonly #now: MonotonicClock;

  constructor(now: MonotonicClock = monotonicNow) {
    this.#now = now;
  }

  /** Two lines. */
  render(progress: MoveProgress): string[] {
    const { arrived, left, donePods, pods, from, to } = progress;
    const total = arrived + left;
    // Guilds that nobody has looked up yet are in no number, so a move is complete only when all pods say so.
    const share = donePods < pods ? Math.min(0.99, total === 0 ? 0 : arrived / total) : 1;
    const filled = Math.round(share * WIDTH);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}`;
    const time = this.#secondsLeft(progress);
    const parts = [
      `${count(arrived)} of ${count(total)} guilds`,
      `${donePods} of ${pods} pods are done`,
      ...(time === null || left === 0 ? [] : [`about ${duration(time)} left`]),
    ];
    return [
      `${style('bold', 'Moving')}    ${asVariables(from)} -> ${asVariables(to)}`,
      `          ${style('cyan', bar)} ${percent(share).padStart(5)}  ${parts.join(', ')}`,
    ];
  }

  #secondsLeft({ arrived, left, to }: MoveProgress): number | null {
    const at = this.#now();
    if (this.#first === null || this.#first.epoch !== to.epoch || arrived < this.#first.arrived) {
      this.#first = { arrived, at, epoch: to.epoch };
      return null;
    }
    const perSecond = ((arrived - this.#first.arrived) / (at - this.#first.at)) * 1_000;
    return perSecond > 0 ? left / perSecond : null;
  }
}
