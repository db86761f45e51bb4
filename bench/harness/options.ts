import type { RoutingStrategy } from '../../src/public-routing.ts';
import { routingOption } from '../../testkit/cluster/options.ts';
import { ANYWHERE, type Cores, PINNED } from './processes.ts';

/** What `--quick` measures: moments, but so many answers that a peer that gives none is found out. Warm-ups are in proportion. */
const QUICK = Object.freeze({ measureMs: 10, minAnswers: 50 });

/** Reads a number that must be above 0 from the command line. @throws Error that names the option and its value */
export function positiveNumber(name: string, raw: string): number {
  const value = Number(raw);
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0, not ${JSON.stringify(raw)}`);
  return value;
}

export const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** The options that the benches share, read from the command line. */
export interface MeasureOptions {
  readonly rounds: number;
  readonly measureMs: number;
  /** A measurement goes on until this many answers have come. */
  readonly minAnswers: number;
  readonly cores: Cores;
  readonly routing: RoutingStrategy;
}

/** @throws Error that names the option and its value */
export function measureOptions(raw: {
  quick: boolean;
  rounds: string;
  seconds: string;
  routing: string;
}): MeasureOptions {
  const { quick } = raw;
  return {
    rounds: quick ? 1 : positiveNumber('rounds', raw.rounds),
    measureMs: quick ? QUICK.measureMs : 1000 * positiveNumber('seconds', raw.seconds),
    minAnswers: quick ? QUICK.minAnswers : 1,
    cores: quick ? ANYWHERE : PINNED,
    routing: routingOption(raw.routing),
  };
}
