/**
 * Workload (e): the owner of a guild alone, in this process, ours against the published function, turn by turn. Ids that were
 * never seen before are what a router meets; V8 caches nothing about their strings. Ids seen again are measured beside them.
 */
import { createHash, randomBytes } from 'node:crypto';
import { getGatewayPodForGuild } from '../../src/public-routing.ts';
import { type Contender, runCalls } from '../harness/calls.ts';
import type { Table } from '../harness/summary.ts';

const PODS = 3;

/** As published. */
function published(guildId: string): number {
  const hash = createHash('md5').update(guildId).digest();
  return hash.readUInt32BE(0) % PODS;
}

const ours = (guildId: string): number => getGatewayPodForGuild(guildId, PODS);

/** Fresh strings each time, as a parser would make them: each is a flat string of its own that was never hashed. */
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
  // Uses the sum, so that the work cannot be optimized away.
  if (sum < 0) throw new Error('impossible');
  return elapsed / ids.length;
}

/** @param idsPerRound how many calls of each function in a round */
export function runOwnerOfGuild(rounds: number, idsPerRound: number, progress: (line: string) => void): Promise<Table> {
  const known = freshIds(1_000);
  const repeated = Array.from({ length: idsPerRound }, (_, i) => known[i % known.length] as string);
  for (const id of known) {
    if (ours(id) !== published(id)) throw new Error(`ours and the published function disagree about ${id}`);
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
      contender('ours', 'Guildway, ids not seen before', 'ours', null, fresh(ours)),
      contender('published', 'published function, ids not seen before', 'peer', 'ours', fresh(published)),
      contender('ours-known', 'Guildway, 1,000 ids again and again', 'ours', null, again(ours)),
      contender(
        'published-known',
        'published function, 1,000 ids again and again',
        'peer',
        'ours-known',
        again(published),
      ),
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
