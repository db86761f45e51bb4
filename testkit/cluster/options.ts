import type { RoutingStrategy } from '../../src/public-routing.ts';

/** A wrong command line. The message names the option, the value and what is allowed. */
export class UsageError extends Error {}

/** Reads an integer from the command line. @throws UsageError */
export function integerOption(name: string, value: string, min: number, max: number): number {
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= min && number <= max)) {
    throw new UsageError(`--${name} ${value}: it must be an integer from ${min} to ${max}`);
  }
  return number;
}

/** Reads `--routing` from the command line. @throws UsageError */
export function routingOption(value: string): RoutingStrategy {
  if (value !== 'md5' && value !== 'discord-shard') {
    throw new UsageError(`--routing ${value}: it must be md5 or discord-shard`);
  }
  return value;
}
