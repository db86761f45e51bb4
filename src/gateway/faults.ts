import { GuildwayError } from '../errors.ts';

/**
 * Faults that tests switch on to prove that a promise depends on the code that keeps it, and to end the process between two
 * instructions. `GUILDWAY_TEST_FAULT` names one. It requires `NODE_ENV=test`.
 *
 * - `no-ledger`: the ledger remembers nothing, so a request that is delivered twice is executed twice
 * - `no-hint-fsync`: a hint is acknowledged half a second before it is on disk
 * - `kill-before-commit`, `kill-after-commit`: SIGKILL around the first commit that holds a bot's transaction
 * - `fail-commit`: every commit that holds a bot's transaction fails
 * - `kill-before-hint-commit`: SIGKILL before the first commit that holds a change to the stored hints
 * - `fail-hint-commit`: every commit that holds a change to the stored hints fails
 * - `kill-after-hint`: SIGKILL after a hint is on disk and before it is acknowledged
 * - `kill-after-delivery`: SIGKILL between an owner's response and the removal of its hint
 */
const FAULTS = [
  'no-ledger',
  'no-hint-fsync',
  'kill-before-commit',
  'kill-after-commit',
  'fail-commit',
  'kill-before-hint-commit',
  'fail-hint-commit',
  'kill-after-hint',
  'kill-after-delivery',
] as const;

export type Fault = (typeof FAULTS)[number];

export interface Faults {
  has(fault: Fault): boolean;
  /** Ends the process here, without cleanup, if this fault is on. */
  killAt(fault: Fault): void;
}

/** @throws GuildwayError CONFIG_INVALID */
export function readFaults(env: Readonly<Record<string, string | undefined>>): Faults {
  const raw = env.GUILDWAY_TEST_FAULT;
  const fault = FAULTS.find((known) => known === raw) ?? null;
  if (raw !== undefined && fault === null) {
    throw new GuildwayError('CONFIG_INVALID', `GUILDWAY_TEST_FAULT: it must be one of ${FAULTS.join(', ')}`);
  }
  if (raw !== undefined && env.NODE_ENV !== 'test') {
    throw new GuildwayError('CONFIG_INVALID', 'GUILDWAY_TEST_FAULT: it is for tests and needs NODE_ENV=test');
  }
  return {
    has: (asked) => asked === fault,
    killAt(asked) {
      if (asked === fault) process.kill(process.pid, 'SIGKILL');
    },
  };
}
