import { asVariables, fingerprintOf } from '../../routing/topology.ts';
import type { PodTopology } from './pod-topology.ts';

/** The answer of another pod, or why it did not answer. */
export type PeerAnswer = { readonly said: PodTopology } | { readonly silent: string };

/**
 * - `serve`: this pod may serve its guilds
 * - `claim`: record the claim, then ask again
 * - `wait`: serve nothing; the reasons name the pods and what to do
 */
export type Decision =
  | { readonly kind: 'serve' | 'claim' }
  | { readonly kind: 'wait'; readonly reasons: readonly string[] };

export interface DecisionInput {
  readonly own: PodTopology;
  /** By ordinal, for every other pod of `own.given`. A missing pod has not been asked yet. */
  readonly peers: ReadonlyMap<number, PeerAnswer>;
  /** The operator vouches for pods that do not answer: they have no rows under another topology. */
  readonly confirmed: boolean;
}

/**
 * Decides whether a gateway pod may serve. Every guild must have one writer, also while pods of several topologies run at once.
 *
 * A pod that has served under exactly its topology and epoch (it is *settled*) serves, unless another pod's rows contradict it: pods
 * that are away do not stop it. Any other pod has no proof that the rows of its guilds are not elsewhere. It serves only when all
 * pods of its topology have answered and agree. They agree in two steps, so that no pod that was counted on can change its mind:
 * each pod claims the topology on disk when all others have been given the same one, and serves when all others have claimed it.
 */
export function decide({ own, peers, confirmed }: DecisionInput): Decision {
  const { given, placement } = own;
  const settled = placement?.state === 'placed' && placement.topology.epoch === given.epoch;
  const reasons = new Reasons(own);
  let undecided = false;
  for (let ordinal = 0; ordinal < given.pods; ordinal++) {
    if (ordinal === own.ordinal) continue;
    const answer = peers.get(ordinal) ?? { silent: 'not asked yet' };
    if ('silent' in answer) {
      if (!settled && !confirmed) reasons.silent(ordinal, answer.silent);
      continue;
    }
    const { said } = answer;
    const theirs = said.placement?.topology ?? said.given;
    const same = fingerprintOf(theirs) === fingerprintOf(given);
    if (said.placement?.state === 'placed') {
      if (theirs.epoch > given.epoch || (!same && (!settled || theirs.epoch === given.epoch)))
        reasons.placed(ordinal, theirs);
    } else if (!settled) {
      if (!same) reasons.given(ordinal, theirs);
      else if (said.placement === null) undecided = true;
    }
  }
  if (reasons.any) return { kind: 'wait', reasons: reasons.sentences() };
  if (settled) return { kind: 'serve' };
  if (placement === null) return { kind: 'claim' };
  return undecided ? { kind: 'wait', reasons: ['the gateway pods are agreeing on their topology'] } : { kind: 'serve' };
}

type Topology = PodTopology['given'];

/** Pods that a sentence names; it also travels in a header. */
const MAX_NAMES = 6;

/** Collects why a pod waits: one sentence for all pods with the same answer. */
class Reasons {
  readonly #own: PodTopology;
  readonly #placed = new Map<string, string[]>();
  readonly #given = new Map<string, string[]>();
  readonly #silent: { readonly pod: string; readonly why: string }[] = [];

  constructor(own: PodTopology) {
    this.#own = own;
  }

  get any(): boolean {
    return this.#placed.size + this.#given.size + this.#silent.length > 0;
  }

  placed(ordinal: number, topology: Topology): void {
    add(this.#placed, asVariables(topology), ordinal);
  }

  given(ordinal: number, topology: Topology): void {
    add(this.#given, asVariables(topology), ordinal);
  }

  silent(ordinal: number, why: string): void {
    this.#silent.push({ pod: nameOf(ordinal), why });
  }

  sentences(): string[] {
    const { given } = this.#own;
    const sentences: string[] = [];
    for (const [topology, pods] of this.#placed) {
      sentences.push(
        `the rows of ${list(pods)} were placed under ${topology}, but this pod was given ${asVariables(given)}: it serves nothing, because rows of its guilds may be there. Give every pod the topology of the rows`,
      );
    }
    for (const [topology, pods] of this.#given) {
      sentences.push(
        `${list(pods)} ${pods.length === 1 ? 'was' : 'were'} given ${topology}, but this pod was given ${asVariables(given)}: give every pod the same`,
      );
    }
    if (this.#silent.length > 0) {
      const pods = this.#silent.map(({ pod }) => pod);
      const [first] = this.#silent;
      sentences.push(
        `waiting for ${list(pods)}: before its first start under ${asVariables(given)} a pod must hear from every other pod that no rows are elsewhere (${first?.pod}: ${first?.why}). If ${pods.length === 1 ? 'that pod' : 'those pods'} cannot answer and ${pods.length === 1 ? 'has' : 'have'} no rows under another topology, set TOPOLOGY_CONFIRMED=${fingerprintOf(given)}`,
      );
    }
    return sentences;
  }
}

const nameOf = (ordinal: number): string => `gateway-${ordinal}`;

function add(groups: Map<string, string[]>, key: string, ordinal: number): void {
  const pods = groups.get(key);
  if (pods === undefined) groups.set(key, [nameOf(ordinal)]);
  else pods.push(nameOf(ordinal));
}

/** `a`, `a and b`, `a, b and c`; of many, the first ones and how many more. */
function list(names: readonly string[]): string {
  const shown = names.length <= MAX_NAMES ? names : names.slice(0, MAX_NAMES - 1);
  const last = names.length <= MAX_NAMES ? shown.at(-1) : `${names.length - shown.length} more`;
  const rest = names.length <= MAX_NAMES ? shown.slice(0, -1) : shown;
  return rest.length === 0 ? String(last) : `${rest.join(', ')} and ${last}`;
}
