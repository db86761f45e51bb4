import { PATH } from '../../protocol/paths.ts';
import { type Duration, elapsed, type MonotonicTime, monotonicNow } from '../../time.ts';
import { pause } from './pause.ts';
import type { Peers } from './peers.ts';

export interface CommandDutyOptions {
  readonly ordinal: number;
  readonly peers: Pick<Peers, 'ask'>;
  /** How long all lower pods must be away before this one registers the commands. */
  readonly absentMs: Duration;
}

/** The pod that registers the commands. `by` null: this pod. */
export type CommandDuty = { readonly by: number | null };

const ASK_MS = 2_000;

/**
 * Determines which pod registers the commands: pod 0 or, while pod 0 stays away, the lowest pod that is alive. Each pod asks
 * once, at its start. A lower pod that returns registers its own commands and so overrides earlier ones.
 * @returns null if `stopping` aborts first
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

/**
 * A pod without Discord sessions registers no commands, so it does not count. An example is a pod that waits for topologies to
 * agree.
 */
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
