import { ratio, spread } from './statistics.ts';
import type { Row, Table } from './summary.ts';
import { targetOf } from './targets.ts';

/** A function to measure in this process, beside others that do the same. */
export interface Contender {
  readonly id: string;
  readonly title: string;
  readonly role: Row['role'];
  /** The id of our function to compare with; null without a comparison. */
  readonly against: string | null;
  /** Makes many calls. @returns the cost of one call, in units */
  readonly measure: () => number | Promise<number>;
}

/** Measures functions in turn, round by round, and summarizes the rounds in a table. The first round does not count. */
export async function runCalls(
  table: Pick<Table, 'id' | 'title' | 'note' | 'skipped'> & { readonly unit: string; readonly unitsPerSecond: number },
  contenders: readonly Contender[],
  rounds: number,
  progress: (line: string) => void,
): Promise<Table> {
  const { id, title, note, skipped, unit, unitsPerSecond } = table;
  const costs = new Map(contenders.map((contender) => [contender.id, [] as number[]]));
  for (let round = 0; round <= rounds; round++) {
    const texts: string[] = [];
    for (const contender of contenders) {
      const cost = await contender.measure();
      if (round > 0) costs.get(contender.id)?.push(cost);
      texts.push(`${contender.title} ${cost.toPrecision(3)}`);
    }
    if (round > 0) progress(`  round ${round}/${rounds}  ${unit}: ${texts.join(', ')}`);
  }
  const rows = contenders.map((contender): Row => {
    const values = costs.get(contender.id) ?? [];
    const ours = contender.against === null ? undefined : costs.get(contender.against);
    return {
      ...{ id: contender.id, title: contender.title, role: contender.role, unit, failed: 0 },
      cost: spread(values),
      ours: ours === undefined ? null : ratio(ours, values),
      target: targetOf(id, contender.id),
      perSecond: spread(values.map((value) => unitsPerSecond / value)),
      ...{ latency: null, peakMemoryMB: null, awayP50: null, busy: null },
    };
  });
  return { id, title, note, rows, skipped };
}
