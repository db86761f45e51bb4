import { setTimeout as delay } from 'node:timers/promises';
import { errorCode, GuildwayError } from '../../errors.ts';
import type { TopologyRecord } from '../../routing/topology.ts';
import type { Pods } from '../pods.ts';
import { type MoveProgress, progressOf } from '../progress.ts';
import { assertPods, type Overlay } from './overlay.ts';

/** Runs kubectl in the cluster. @throws GuildwayError LINK_UNAVAILABLE */
type RunKubectl = (args: readonly string[]) => string;

export interface ReshardOptions {
  readonly overlay: Overlay;
  readonly pods: number;
  readonly run: RunKubectl;
  readonly say: (line: string) => void;
  readonly onProgress: (progress: MoveProgress) => void;
  /** Says what would happen, and changes nothing. */
  readonly isDryRun: boolean;
  /** Between two looks. Default a second. */
  readonly lookMs?: number;
}

const STATUS = ['exec', 'deploy/http-service', '-c', 'http', '--', 'node', 'src/cli/index.js', 'status', '--json'];
const ROLLOUT = ['rollout', 'status', 'statefulset/gateway', '--timeout=60m'];

/**
 * Changes the number of gateway pods of a cluster in the order in which nothing is cut off. Each step can be repeated, so that a run which was
 * stopped is continued by another one.
 * @throws GuildwayError CONFIG_INVALID, LINK_UNAVAILABLE
 */
export async function reshardCluster(options: ReshardOptions): Promise<void> {
  const { overlay, pods, say, isDryRun } = options;
  const steps = new Steps(options);
  const before = overlay.read();
  const newest = newestOf(steps.status());
  assertPods(pods, newest.shards);
  if (before.replicas < pods) {
    say(`gateway pods ${before.replicas} to ${pods - 1} start, without guilds`);
    await steps.apply(`replicas of gateway: ${before.replicas} -> ${pods}`, () => overlay.setReplicas(pods));
  }
  // The pods may know a newer epoch than the overlay, such as after a change that was made elsewhere.
  const isTold = before.pods === pods && newest.epoch <= before.epoch;
  const epoch = isTold ? before.epoch : Math.max(newest.epoch, before.epoch) + 1;
  if (isTold && newest.pods === pods && newest.epoch === epoch) say(`the gateway pods know the number ${pods}`);
  else {
    say('the gateway pods restart one after the other, with the new number');
    const change = `NUM_GATEWAY_PODS: ${before.pods} -> ${pods}, TOPOLOGY_EPOCH: ${before.epoch} -> ${epoch}`;
    await steps.apply(change, () => overlay.setTopology({ pods, epoch }));
  }
  say('guilds move');
  if (!isDryRun) await steps.moved(epoch);
  const { replicas } = overlay.read();
  if (replicas > pods) {
    say(`gateway pods ${pods} to ${replicas - 1} have no guilds any more, and end; their volumes stay`);
    await steps.apply(`replicas of gateway: ${replicas} -> ${pods}`, () => overlay.setReplicas(pods));
  } else {
    // An earlier run may have changed the overlay and not applied it.
    await steps.apply(null, () => {});
  }
  say(isDryRun ? 'nothing was changed' : `every guild is at its owner among ${pods} gateway pods`);
}

class Steps {
  readonly #options: ReshardOptions;

  constructor(options: ReshardOptions) {
    this.#options = options;
  }

  /** Changes the overlay, as `what` says, and applies it. Resolves when all gateway pods are ready. */
  async apply(what: string | null, change: () => void): Promise<void> {
    const { overlay, run, say, isDryRun } = this.#options;
    if (what !== null) say(`  ${what}`);
    say(`  kubectl apply -k ${overlay.path}`);
    if (isDryRun) return;
    change();
    run(['apply', '-k', overlay.path]);
    run(ROLLOUT);
  }

  /** Resolves when the topology of an epoch is in force. */
  async moved(epoch: number): Promise<void> {
    const { onProgress, lookMs = 1_000 } = this.#options;
    for (;;) {
      const status = await this.#look();
      const progress = status === null ? null : progressOf(status);
      if (progress !== null) onProgress(progress);
      if (status !== null && isInForce(status, epoch)) return;
      await delay(lookMs);
    }
  }

  status(): Pods {
    return parse(this.#options.run(STATUS));
  }

  /** Null: the HTTP pod that was asked has just ended. */
  async #look(): Promise<Pods | null> {
    try {
      return this.status();
    } catch (error) {
      if (errorCode(error) === 'LINK_UNAVAILABLE') return null;
      throw error;
    }
  }
}

function isInForce({ answers }: Pods, epoch: number): boolean {
  const chains = Object.values(answers).flatMap(({ moving }) => (moving === undefined ? [] : [moving.topologies]));
  const [first] = chains.filter((chain) => chain.length === 1 && chain[0]?.epoch === epoch);
  if (first === undefined) return false;
  // One pod knows it when all have given away what is not theirs. The others hear of it.
  return chains.every((chain) => (chain.at(-1)?.epoch ?? 0) <= epoch);
}

function newestOf({ answers }: Pods): TopologyRecord {
  const known = Object.values(answers).map(({ topology, moving }) => moving?.topologies.at(-1) ?? topology);
  const [newest] = known.toSorted((a, b) => b.epoch - a.epoch);
  if (newest !== undefined) return newest;
  throw new GuildwayError('LINK_UNAVAILABLE', 'no gateway pod answers: see kubectl get pods, and guildway status');
}

/** The command exits with 1 when a pod is not ready, and prints its document all the same. */
function parse(text: string): Pods {
  try {
    return JSON.parse(text) as Pods;
  } catch {
    throw new GuildwayError('LINK_UNAVAILABLE', `the HTTP pod printed no status: ${text.slice(0, 200)}`);
  }
}
