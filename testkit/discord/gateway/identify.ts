import { PRIVILEGED_INTENTS } from '../options.ts';
import { ALL_INTENTS } from './intents.ts';

export interface IdentifyData {
  readonly token?: unknown;
  readonly intents?: unknown;
  readonly shard?: unknown;
  readonly properties?: Record<string, unknown>;
  readonly presence?: Record<string, unknown> | null;
}

interface Limits {
  /** The number of guilds that the bot is in. */
  readonly guilds: number;
  readonly privilegedIntents: number;
}

export type CheckedIdentify =
  | { readonly shard: number; readonly numShards: number; readonly intents: number }
  | { readonly closeCode: 4010 | 4011 | 4013 | 4014; readonly reason: string };

const MAX_GUILDS_PER_SHARD = 2500;

/** Validates an identify. @returns its shard and intents, or the close code for its connection */
export function checkIdentify(data: IdentifyData, limits: Limits): CheckedIdentify {
  const [shard, numShards] = (data.shard ?? [0, 1]) as [unknown, unknown];
  if (!isIndex(shard) || !isIndex(numShards) || shard >= numShards)
    return { closeCode: 4010, reason: 'Invalid shard.' };
  if (limits.guilds / numShards > MAX_GUILDS_PER_SHARD) return { closeCode: 4011, reason: 'Sharding required.' };
  const { intents } = data;
  if (!isIndex(intents) || (intents & ~ALL_INTENTS) !== 0) return { closeCode: 4013, reason: 'Invalid intent(s).' };
  const disallowed = intents & PRIVILEGED_INTENTS & ~limits.privilegedIntents;
  if (disallowed !== 0) return { closeCode: 4014, reason: 'Disallowed intent(s).' };
  return { shard, numShards, intents };
}

const isIndex = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0;
