import { InvalidArgumentError } from 'commander';
import type { RoutingStrategy } from '../routing/topology.ts';

/** Reads an integer option. */
export const integerOption =
  (name: string, min: number, max: number) =>
  (value: string): number => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new InvalidArgumentError(`${name} must be an integer from ${min} to ${max}.`);
  };

/** Reads a routing strategy. */
export function routingOption(value: string): RoutingStrategy {
  if (value === 'md5' || value === 'discord-shard') return value;
  throw new InvalidArgumentError('it must be md5 or discord-shard.');
}
