/**
 * Workload (e): the owner of a guild alone, in this process, ours against the published function, turn by turn. Ids that were
 * never seen before are what a router meets; V8 caches nothing about their strings. Ids seen again are measured beside them.
 */
import { createHash, randomBytes } from 'node:crypto';
import { getGatewayPodForGuild } from '../../src/routing/index.ts';
import { ratio, spread } from '../harness/statistics.ts';
import type { Row, Table } from '../harness/summary.ts';
import { TARGETS } from '../harness/targets.ts';

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
export function runOwnerOfGuild(rounds: number, idsPerRound: number, progress: (line: string) => void): Table {
  const known = freshIds(1_000);
  const repeated = Array.from({ length: idsPerRound }, (_, i) => known[i % known.length] as string);
  for (const id of known) {
    if (ours(id) !== published(id)) throw new Error(`ours and the published function disagree about ${id}`);
  }
  nanoseconds(ours, freshIds(idsPerRound));
  nanoseconds(published, freshIds(idsPerRound));
  const cost = {
    ours: [] as number[],
    published: [] as number[],
    oursKnown: [] as number[],
    publishedKnown: [] as number[],
  };
  for (let round = 0; round < rounds; round++) {
    cost.ours.push(nanoseconds(ours, freshIds(idsPerRound)));
    cost.published.push(nanoseconds(published, freshIds(idsPerRound)));
    cost.oursKnown.push(nanoseconds(ours, repeated));
    cost.publishedKnown.push(nanoseconds(published, repeated));
    progress(
      `  round ${round + 1}/${rounds}  ours ${cost.ours.at(-1)?.toFixed(0)} ns, published ${cost.published.at(-1)?.toFixed(0)} ns (ids not seen before)`,
    );
  }
  const row = (id: string, title: string, role: Row['role'], values: number[], against: number[] | null): Row => ({
    id,
    title,
    role,
    unit: 'ns per call',
    cost: spread(values),
    ours: against === null ? null : ratio(against, values),
    target: TARGETS.find((target) => target.workload === 'e' && target.peer === id)?.atMost ?? null,
    perSecond: spread(values.map((value) => 1e9 / value)),
    latency: null,
    peakMemoryMB: null,
    awayP50: null,
    busy: null,
    failed: 0,
  });
  return {
    id: 'e',
    title: 'owner of a guild: getGatewayPodForGuild',
    note: `${idsPerRound.toLocaleString('en-US')} calls of each in a round, in one process; ours validates the id, the published one does not`,
    rows: [
      row('ours', 'Guildway, ids not seen before', 'ours', cost.ours, null),
      row('published', 'published function, ids not seen before', 'peer', cost.published, cost.ours),
      row('ours-known', 'Guildway, 1,000 ids again and again', 'ours', cost.oursKnown, null),
      row(
        'published-known',
        'published function, 1,000 ids again and again',
        'peer',
        cost.publishedKnown,
        cost.oursKnown,
      ),
    ],
    skipped: [],
  };
}
