/**
 * The history check: compares the responses that clients received with the rows in the databases. Pure, so it can be tested.
 */

/** How an operation reached the system. */
export type Via = 'interaction' | 'api' | 'webhook' | 'event';

/**
 * What the client knows at the end of the run.
 * - `acknowledged`: success
 * - `completed`: a deferred response, then success
 * - `not-done`: a deferred response, then a message that the operation was not carried out
 * - `refused`: a response that nothing was done
 * - `unknown`: no response, or one that does not state the outcome
 * - `unresolved`: a deferred response and nothing after it
 */
export type Fate = 'acknowledged' | 'completed' | 'not-done' | 'refused' | 'unknown' | 'unresolved';

export interface Operation {
  /** Unique within a run. */
  readonly id: string;
  readonly guildId: string;
  readonly via: Via;
  /** The number of rows that it writes, each in its own transaction, numbered from 0. */
  readonly steps: number;
  readonly fate: Fate;
}

/** A row of an operation, and the pod whose database holds it. */
export interface Row {
  readonly operation: string;
  readonly guildId: string;
  readonly step: number;
  readonly pod: number;
}

/**
 * - `lost`: acknowledged, completed, or deferred and never reported as not done, but a row is missing
 * - `doubled`: a row exists more than once
 * - `misplaced`: a row is on a pod that does not own its guild
 * - `contradicted`: a row exists although the operation was refused or reported as not done
 * - `unresolved`: deferred and done, but the client was never told
 * - `stray`: a row of an operation that no client sent, or with the wrong guild
 */
type Problem = 'lost' | 'doubled' | 'misplaced' | 'contradicted' | 'unresolved' | 'stray';

interface Finding {
  readonly problem: Problem;
  readonly operation: string;
  readonly guildId: string;
  readonly via: Via | null;
  readonly fate: Fate | null;
  readonly owner: number;
  /** The operation's rows as `step@pod`. */
  readonly rows: readonly string[];
}

export interface Verdict {
  readonly operations: number;
  readonly rows: number;
  readonly fates: Readonly<Record<Fate, number>>;
  readonly problems: Readonly<Record<Problem, number>>;
  readonly findings: readonly Finding[];
  /** There are no findings. */
  readonly clean: boolean;
}

/**
 * Compares a history with the rows of all pods.
 * @param ownerOf the routing arithmetic: the ordinal of the pod that owns a guild
 */
export function checkHistory(
  operations: readonly Operation[],
  rows: readonly Row[],
  ownerOf: (guildId: string) => number,
): Verdict {
  const fates: Record<Fate, number> = {
    acknowledged: 0,
    completed: 0,
    'not-done': 0,
    refused: 0,
    unknown: 0,
    unresolved: 0,
  };
  const problems: Record<Problem, number> = {
    lost: 0,
    doubled: 0,
    misplaced: 0,
    contradicted: 0,
    unresolved: 0,
    stray: 0,
  };
  const findings: Finding[] = [];
  const rowsOf = Map.groupBy(rows, (row) => row.operation);
  const known = new Set<string>();

  const report = (problem: Problem, subject: Operation | Row, found: readonly Row[]): void => {
    const isOperation = 'fate' in subject;
    problems[problem]++;
    findings.push({
      problem,
      operation: isOperation ? subject.id : subject.operation,
      guildId: subject.guildId,
      via: isOperation ? subject.via : null,
      fate: isOperation ? subject.fate : null,
      owner: ownerOf(subject.guildId),
      rows: found.map((row) => `${row.step}@${row.pod}`),
    });
  };

  for (const operation of operations) {
    if (known.has(operation.id)) throw new Error(`two operations are numbered ${operation.id}`);
    known.add(operation.id);
    fates[operation.fate]++;
    const found = rowsOf.get(operation.id) ?? [];
    for (const problem of problemsOf(operation, found, ownerOf(operation.guildId))) report(problem, operation, found);
  }
  for (const [id, found] of rowsOf) if (!known.has(id)) report('stray', found[0] as Row, found);

  return {
    operations: operations.length,
    rows: rows.length,
    fates,
    problems,
    findings,
    clean: findings.length === 0,
  };
}

function problemsOf(operation: Operation, found: readonly Row[], owner: number): Problem[] {
  const { fate, steps } = operation;
  const problems: Problem[] = [];
  const perStep = new Array<number>(steps).fill(0);
  let stray = false;
  for (const row of found) {
    if (row.guildId !== operation.guildId || !(row.step >= 0 && row.step < steps)) stray = true;
    else (perStep[row.step] as number)++;
  }
  const promised = fate === 'acknowledged' || fate === 'completed' || fate === 'unresolved';
  const missing = promised && perStep.some((count) => count === 0);
  if (missing) problems.push('lost');
  if (perStep.some((count) => count > 1)) problems.push('doubled');
  if (found.some((row) => row.pod !== owner)) problems.push('misplaced');
  if ((fate === 'refused' || fate === 'not-done') && found.length > 0) problems.push('contradicted');
  if (fate === 'unresolved' && !missing) problems.push('unresolved');
  if (stray) problems.push('stray');
  return problems;
}
