import type { Collision } from '../../gateway/store/moving/collisions.ts';
import type { Inventory } from '../../gateway/store/moving/inventory.ts';
import { schemaDifference } from '../../gateway/store/moving/schema.ts';
import {
  asVariables,
  createTopology,
  type RoutingStrategy,
  type Topology,
  type TopologyRecord,
  topologyOf,
} from '../../routing/topology.ts';

export interface Amount {
  readonly guilds: number;
  readonly rows: number;
  /** About. */
  readonly bytes: number;
}

/** What a change of the topology does to one pod. */
interface PodPlan {
  readonly pod: number;
  readonly stays: Amount;
  readonly leaves: Amount;
  readonly arrives: Amount;
}

/** What a routing strategy would move. */
export interface StrategyPlan {
  readonly topology: TopologyRecord;
  readonly guilds: number;
  /** Of all guilds, 0 to 1. */
  readonly share: number;
  /** The share of a later change to one pod more. */
  readonly nextShare: number;
}

export interface PodCollision extends Collision {
  readonly pods: readonly [number, number];
}

/** Plain data: `--json` prints it. */
export interface MovePlan {
  readonly from: TopologyRecord;
  readonly to: TopologyRecord;
  readonly total: Amount;
  readonly moves: Amount;
  readonly pods: readonly PodPlan[];
  readonly strategies: readonly StrategyPlan[];
  /** About. */
  readonly seconds: number;
  readonly collisions: readonly PodCollision[];
  /** What holds the move until it is mended. */
  readonly obstacles: readonly string[];
  readonly notes: readonly string[];
}

export interface PodInventory {
  readonly pod: number;
  readonly inventory: Inventory;
}

export interface PlanInput {
  /** Of every pod of the present topology. */
  readonly pods: readonly PodInventory[];
  readonly from: TopologyRecord;
  readonly to: Topology;
  readonly collisions: readonly PodCollision[];
}

/** Under `md5` a plan shows what this many shards for each pod would do. */
const SHARDS_PER_POD = 8;
/**
 * Seconds of one pod's CPU, measured on two cores with scripts/measure-move.ts and batches of small guilds. A move takes about twice as
 * long, because it also waits for the disk, for the other pod and for handlers that run.
 */
const GIVE = { guild: 50e-6, row: 14e-6, byte: 22e-9 } as const;
const TAKE = { guild: 20e-6, row: 8e-6, byte: 12e-9 } as const;
const WAITING = 2;
const START_SECONDS = 2;

/** Computes which guilds move: those whose rows are not at their owner under `to`. */
export function planMove({ pods, from, to, collisions }: PlanInput): MovePlan {
  const ordinals = Array.from({ length: Math.max(to.pods, ...pods.map(({ pod }) => pod + 1)) }, (_, pod) => pod);
  const plans = ordinals.map((pod) => ({ pod, stays: nothing(), leaves: nothing(), arrives: nothing() }));
  for (const { pod, inventory } of pods) {
    for (const [guildId, rows, bytes] of inventory.guilds) {
      const owner = to.ownerOf(guildId);
      if (owner === pod) add(plans[pod]?.stays, rows, bytes);
      else {
        add(plans[pod]?.leaves, rows, bytes);
        add(plans[owner]?.arrives, rows, bytes);
      }
    }
  }
  const moves = sum(plans.map(({ leaves }) => leaves));
  return {
    from,
    to: to.toRecord(),
    total: sum(plans.flatMap(({ stays, leaves }) => [stays, leaves])),
    moves,
    pods: plans,
    strategies: strategiesFor(pods, from, to),
    seconds: secondsFor(plans),
    collisions,
    obstacles: obstaclesOf(pods, collisions),
    notes: notesOf(pods),
  };
}

function strategiesFor(pods: readonly PodInventory[], from: TopologyRecord, to: Topology): StrategyPlan[] {
  const located = pods.flatMap(({ pod, inventory }) => inventory.guilds.map(([guildId]) => [guildId, pod] as const));
  const shards = to.shards ?? from.shards ?? SHARDS_PER_POD * Math.max(to.pods, from.pods);
  const share = (guilds: number): number => (located.length === 0 ? 0 : guilds / located.length);
  return (['md5', 'discord-shard'] as const satisfies RoutingStrategy[]).map((strategy) => {
    const compiled = createTopology({ strategy, pods: to.pods, shards, epoch: to.epoch });
    const next = createTopology({ strategy, pods: to.pods + 1, shards: Math.max(shards, to.pods + 1) });
    const guilds = located.filter(([guildId, pod]) => compiled.ownerOf(guildId) !== pod).length;
    const later = located.filter(([guildId]) => compiled.ownerOf(guildId) !== next.ownerOf(guildId)).length;
    return { topology: compiled.toRecord(), guilds, share: share(guilds), nextShare: share(later) };
  });
}

function obstaclesOf(pods: readonly PodInventory[], collisions: readonly PodCollision[]): string[] {
  const undeclared = new Set(pods.flatMap(({ inventory }) => inventory.undeclared));
  const [first, ...rest] = pods.filter(({ inventory }) => inventory.placement !== null);
  const differences = rest.flatMap(({ pod, inventory }) => {
    const difference = first === undefined ? null : schemaDifference(first.inventory.schema, inventory.schema);
    return difference === null
      ? []
      : [
          `gateway-${pod} and gateway-${first?.pod} have different schemas ("there": gateway-${pod}): ${difference}. No guild moves between them until both run the same version of the bot`,
        ];
  });
  return [
    ...[...undeclared].map(
      (table) =>
        `the bot does not declare the table ${table}: list it in \`tables\` if its rows belong to guilds, else in \`global\``,
    ),
    ...differences,
    ...collisions
      .filter(({ obstacle }) => obstacle !== null)
      .map(
        ({ table, columns, count, examples, pods: [one, other], obstacle }) =>
          `${table}: ${count} rows of gateway-${one} and gateway-${other} have the same ${columns.join(', ')} (${examples.slice(0, 3).join('; ')}${count > 3 ? ' …' : ''}). ${obstacle}`,
      ),
  ];
}

function notesOf(pods: readonly PodInventory[]): string[] {
  return pods.flatMap(({ pod, inventory: { movingTo, strayRows } }) => [
    ...(movingTo === null ? [] : [`guilds of gateway-${pod} move already, to ${asVariables(movingTo)}`]),
    ...(strayRows === null
      ? []
      : [
          `gateway-${pod} has ${strayRows.rows} rows whose guild id no guild can have, such as ${JSON.stringify(strayRows.example.slice(0, 40))}: they stay where they are`,
        ]),
  ]);
}

/** The pods work at the same time; each gives and takes. */
function secondsFor(plans: readonly PodPlan[]): number {
  const costs = (amount: Amount, cost: typeof GIVE | typeof TAKE): number =>
    amount.guilds * cost.guild + amount.rows * cost.row + amount.bytes * cost.byte;
  const busiest = Math.max(...plans.map(({ leaves, arrives }) => costs(leaves, GIVE) + costs(arrives, TAKE)));
  return busiest === 0 ? 0 : Math.ceil(START_SECONDS + WAITING * busiest);
}

type Counting = { -readonly [Name in keyof Amount]: number };

const nothing = (): Counting => ({ guilds: 0, rows: 0, bytes: 0 });

function add(amount: Counting | undefined, rows: number, bytes: number): void {
  if (amount === undefined) return;
  amount.guilds++;
  amount.rows += rows;
  amount.bytes += bytes;
}

function sum(amounts: readonly Amount[]): Amount {
  const total = nothing();
  for (const { guilds, rows, bytes } of amounts) {
    total.guilds += guilds;
    total.rows += rows;
    total.bytes += bytes;
  }
  return total;
}

/** The topology after a change. @param options what the command line names; the rest stays as it is */
export function targetTopology(
  from: TopologyRecord,
  options: { readonly pods: number; readonly shards?: number; readonly routing?: RoutingStrategy },
): Topology {
  const strategy = options.routing ?? from.strategy;
  const shards = options.shards ?? from.shards ?? undefined;
  const same = topologyOf(from);
  const epoch = from.epoch + 1;
  const to = createTopology({ strategy, pods: options.pods, epoch, ...(shards === undefined ? {} : { shards }) });
  return to.fingerprint === same.fingerprint ? same : to;
}
