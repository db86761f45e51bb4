import type { Chain } from '../../moving/state.ts';
import { asVariables, fingerprintOf } from '../../routing/topology.ts';
import type { PodTopology } from './pod-topology.ts';

/** The answer of another pod, or why it did not answer. */
export type PeerAnswer = { readonly said: PodTopology } | { readonly silent: string };

/**
 * - `serve`: this pod may serve its guilds
 * - `join`: other pods have rows: take over their topologies, then ask every pod what it holds
 * - `recover`: the others have gone on without this pod's rows: ask every pod what it holds
 * - `claim`: record the claim, then ask again
 * - `wait`: serve nothing; the reasons name the pods and what to do
 */
export type Decision =
  | { readonly kind: 'serve' | 'recover' | 'claim' }
  | { readonly kind: 'join'; readonly chain: Chain }
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
 * A pod with rows serves: the protocol of moves knows which guilds are its own. Only pods whose rows were placed under another
 * topology of the same epoch stop it. A pod without rows joins pods that have some. Where no pod has any, they agree on their
 * topology in two steps, so that no pod that was counted on can change its mind: each pod claims the topology on disk when all others
 * have been given the same one, and serves when all others have claimed it.
 */
export function decide({ own, peers, confirmed }: DecisionInput): Decision {
  const { given, placement } = own;
  const reasons = new Reasons(own);
  let undecided = false;
  let newest: Chain | null = null;
  for (let ordinal = 0; ordinal < given.pods; ordinal++) {
    if (ordinal === own.ordinal) continue;
    const answer = peers.get(ordinal) ?? { silent: 'not asked yet' };
    if ('silent' in answer) {
      if (placement?.state !== 'placed' && !confirmed) reasons.silent(ordinal, answer.silent);
      continue;
    }
    const { said } = answer;
    if (said.placement?.state === 'placed') {
      const { chain } = said.placement;
      const contradiction = contradictionOf(placement?.chain ?? [given], chain);
      if (contradiction !== null) reasons.placed(ordinal, contradiction);
      if (isNewer(chain, newest)) newest = chain;
    } else if (placement?.state !== 'placed') {
      const theirs = said.placement?.chain[0] ?? said.given;
      if (fingerprintOf(theirs) !== fingerprintOf(given)) reasons.given(ordinal, theirs);
      else if (said.placement === null) undecided = true;
    }
  }
  if (placement?.state === 'placed') {
    if (reasons.any) return { kind: 'wait', reasons: reasons.sentences() };
    // A topology is in force when every pod has taken part. This volume has not: it is of an earlier time.
    const isOld = newest !== null && newest[0].epoch > (placement.chain.at(-1)?.epoch ?? 0);
    return { kind: isOld ? 'recover' : 'serve' };
  }
  // Pods with rows decide, whatever others without rows were given. The absent ones are asked when this pod has joined. If they do not know
  // the given topology yet, this pod owns nothing until gateway-0 begins with it.
  if (newest !== null && placement === null && !reasons.contradicted) return { kind: 'join', chain: newest };
  if (reasons.any) return { kind: 'wait', reasons: reasons.sentences() };
  if (placement === null) return { kind: 'claim' };
  return undecided ? { kind: 'wait', reasons: ['the gateway pods are agreeing on their topology'] } : { kind: 'serve' };
}

/** A topology of the other pod that has an epoch of one of ours and places guilds elsewhere; null if there is none. */
function contradictionOf(ours: Chain, theirs: Chain): Topology | null {
  const same = (one: Topology, other: Topology): boolean =>
    fingerprintOf(one) === fingerprintOf(other) || (one.pods === 1 && other.pods === 1);
  return theirs.find((their) => ours.some((our) => our.epoch === their.epoch && !same(our, their))) ?? null;
}

function isNewer(chain: Chain, than: Chain | null): boolean {
  if (than === null) return true;
  const [newest, other] = [chain.at(-1)?.epoch ?? 0, than.at(-1)?.epoch ?? 0];
  return newest > other || (newest === other && chain[0].epoch > than[0].epoch);
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

  /** Whether rows were placed under another topology of the same epoch. */
  get contradicted(): boolean {
    return this.#placed.size > 0;
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
        `the rows of ${list(pods)} were placed under ${topology}, but this pod was given ${asVariables(given)}: it serves nothing, because rows of its guilds may be there. To move them, give every pod a larger TOPOLOGY_EPOCH; else give this pod the topology of the rows`,
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
