/**
 * Workload (e): only the owner of a guild, in this process, ours and the published function in turn. A router usually gets new ids, for
 * which V8 has no cached hash. Repeated ids are measured as well.
 */
import { createHash, randomBytes } from 'node:crypto';
import { getGatewayPodForGuild } from '../../src/public-routing.ts';
import { type Contender, runCalls } from '../harness/calls.ts';
import type { Table } from '../harness/summary.ts';

const PODS = 3;

/** The published function, verbatim. */
function published(guildId: string): number {
  const hash = createHash('md5').update(guildId).digest();
  return hash.readUInt32BE(0) % PODS;
}

const ours = (guildId: string): number => getGatewayPodForGuild(guildId, PODS);

/** New flat strings without a cached hash, as from a parser. */
function freshIds(count: number): string[] {
  return Array.from({ length: count }, () => {
    const id = (randomBytes(8).readBigUInt64BE() >> 2n) | (1n << 60n);
    return Buffer.from(String(id)).toString('latin1');
  });
}

function nanoseconds(work: (guildId: string) => number, ids: readonly string[]): number {
  let sum = 0;
  const start = process.hrtime.bigint();
  for (const id of ids) sum += work(id);
  const elapsed = Number(process.hrtime.bigint() - start);
  // Uses the sum, so that V8 cannot optimize the work away.
  if (sum < 0) throw new Error('impossible');
  return elapsed / ids.length;
}

/** @param idsPerRound the number of calls of each function in a round */
export function runOwnerOfGuild(rounds: number, idsPerRound: number, progress: (line: string) => void): Promise<Table> {
  const known = freshIds(1_000);
  const repeated = Array.from({ length: idsPerRound }, (_, i) => known[i % known.length] as string);
  for (const id of known) {
    if (ours(id) !== published(id)) throw new Error(`our function and the published one disagree about ${id}`);
  }
  const fresh = (work: (guildId: string) => number) => () => nanoseconds(work, freshIds(idsPerRound));
  const again = (work: (guildId: string) => number) => () => nanoseconds(work, repeated);
  return runCalls(
    {
      id: 'e',
      title: 'owner of a guild: getGatewayPodForGuild',
      note: `${idsPerRound.toLocaleString('en-US')} calls of each in a round, in one process; ours validates the id, the published one does not`,
      unit: 'ns per call',
      unitsPerSecond: 1e9,
      skipped: [],
    },
    [
      contender('ours', 'Guildway, new ids', 'ours', null, fresh(ours)),
      contender('published', 'published function, new ids', 'peer', 'ours', fresh(published)),
      contender('ours-known', 'Guildway, 1,000 repeated ids', 'ours', null, again(ours)),
      contender('published-known', 'published function, 1,000 repeated ids', 'peer', 'ours-known', again(published)),
    ],
    rounds,
    progress,
  );
}

const contender = (
  id: string,
  title: string,
  role: Contender['role'],
  against: string | null,
  measure: Contender['measure'],
): Contender => ({ id, title, role, against, measure });
