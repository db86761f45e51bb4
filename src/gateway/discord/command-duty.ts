import { PATH } from '../../protocol/paths.ts';
import { type Duration, elapsed, type MonotonicTime, monotonicNow } from '../../time.ts';
import { pause } from './pause.ts';
import type { Peers } from './peers.ts';

export interface CommandDutyOptions {
  readonly ordinal: number;
  readonly peers: Pick<Peers, 'ask'>;
  /** How long all lower pods have to be away before this one registers the commands. */
  readonly absentMs: Duration;
}

/** A pod that registers the commands, or has: this one when `by` is null. */
export type CommandDuty = { readonly by: number | null };

const ASK_MS = 2_000;

/**
 * Finds out which pod registers the commands: pod 0, or, when it stays away, the lowest pod that lives. Each pod does so once, when it
 * starts; a lower pod that comes back registers its own, and has the last word.
 * @returns null when `stopping` aborts first
 */
export async function commandDuty(options: CommandDutyOptions, stopping: AbortSignal): Promise<CommandDuty | null> {
  const { ordinal, peers, absentMs } = options;
  let absentSince: MonotonicTime | null = null;
  while (ordinal > 0) {
    let living: Living = { kind: 'none' };
    try {
      for (let lower = 0; lower < ordinal && living.kind === 'none'; lower++)
        living = await ask(peers, lower, stopping);
    } catch {
      return null;
    }
    if (living.kind === 'registered') return { by: living.pod };
    if (living.kind === 'none') absentSince ??= monotonicNow();
    else absentSince = null;
    if (absentSince !== null && elapsed(absentSince) >= absentMs) return { by: null };
    await pause(absentMs / 5, stopping);
    if (stopping.aborted) return null;
  }
  return { by: null };
}

type Living = { readonly kind: 'none' | 'living' } | { readonly kind: 'registered'; readonly pod: number };

/** A pod without Discord sessions, such as one that serves nothing until topologies agree, registers no commands: it does not count. */
async function ask(peers: Pick<Peers, 'ask'>, pod: number, signal: AbortSignal): Promise<Living> {
  const response = await peers.ask(pod, { method: 'GET', path: PATH.state, waitMs: ASK_MS, signal });
  if (response?.status !== 200) return { kind: 'none' };
  try {
    const { discord } = JSON.parse(response.body.toString('utf8')) as {
      readonly discord?: { readonly commandsRegistered?: unknown } | null;
    };
    if (discord === null || discord === undefined) return { kind: 'none' };
    return discord.commandsRegistered === true ? { kind: 'registered', pod } : { kind: 'living' };
  } catch {
    return { kind: 'none' };
  }
}
