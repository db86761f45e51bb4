import { fileURLToPath } from 'node:url';
import type { RoutingStrategy } from '../../src/public-routing.ts';
import { routingOption } from '../../testkit/cluster/options.ts';
import { ANYWHERE, type Cores, PINNED } from './processes.ts';

/** The settings of `--quick`: short, but with enough responses to detect a broken peer. Warm-ups are in proportion. */
const QUICK = Object.freeze({ measureMs: 10, minAnswers: 50 });

/** Reads a number above 0 from the command line. @throws Error that names the option and its value */
export function positiveNumber(name: string, raw: string): number {
  const value = Number(raw);
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0, not ${JSON.stringify(raw)}`);
  return value;
}

export const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** The command-line options that the benchmarks share, for `parseArgs`. */
export const measureFlags = (defaults: { readonly rounds: string; readonly seconds: string }) =>
  ({
    rounds: { type: 'string', default: defaults.rounds },
    seconds: { type: 'string', default: defaults.seconds },
    routing: { type: 'string', default: 'md5' },
    quick: { type: 'boolean', default: false },
    output: { type: 'string', default: fileURLToPath(new URL('../results', import.meta.url)) },
    help: { type: 'boolean', default: false },
  }) as const;

/** The values of {@link measureFlags}. */
export interface MeasureOptions {
  readonly rounds: number;
  readonly measureMs: number;
  /** A measurement continues until there are this many responses. */
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
