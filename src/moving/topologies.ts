import { everyPod, newest } from './authority.ts';
import type { News } from './messages.ts';
import type { Chain, MovingState, Write } from './state.ts';
import { NOTHING, type Step } from './step.ts';

/**
 * Pod 0 decides which topology comes next, so that two operators cannot each have their own.
 * @returns a refusal in words, or the step that adopts it; an empty step when it is known already
 */
export function adoptTopology(state: MovingState, topology: Chain[0]): Step | { readonly refused: string } {
  const last = newest(state);
  // Another pod may know a topology that the lost volume knew.
  if (state.recovering.size > 0) return { refused: 'pod 0 asks the other pods what its volume has lost: try again' };
  if (topology.epoch > last.epoch) return { writes: [{ kind: 'chain', chain: [...state.chain, topology] }], sends: [] };
  const known = state.chain.find(({ epoch }) => epoch === topology.epoch);
  if (known !== undefined && isSame(known, topology)) return NOTHING;
  return {
    refused: `epoch ${topology.epoch} ${known === undefined ? 'is over' : 'has another topology'}: set TOPOLOGY_EPOCH to ${last.epoch + 1} or more`,
  };
}

const isSame = (a: Chain[0], b: Chain[0]): boolean =>
  a.strategy === b.strategy && a.pods === b.pods && a.shards === b.shards;

/** What every pod tells every other one from time to time. */
export function newsOf({ chain, done }: MovingState): News {
  return { chain, done: [...done].flatMap(([pod, epochs]) => [...epochs].map((epoch) => [pod, epoch] as const)) };
}

/** What follows from the news of another pod. */
export function learn(state: MovingState, { chain, done }: News): Write[] {
  const writes: Write[] = [];
  const [theirs] = chain;
  const [ours] = state.chain;
  let known: Chain = state.chain;
  if (theirs.epoch > ours.epoch) {
    // The sender has seen every pod done, this one too.
    const rest = state.chain.filter(({ epoch }) => epoch > theirs.epoch);
    known = [theirs, ...rest];
    const complete = state.recovering.size === 0 ? theirs.epoch : state.completeTo;
    writes.push({ kind: 'settled', epoch: theirs.epoch, completeTo: complete });
  }
  const last = known.at(-1)?.epoch ?? 0;
  const newer = chain.filter(({ epoch }) => epoch > last);
  if (newer.length > 0) known = [...known, ...newer];
  if (known !== state.chain) writes.push({ kind: 'chain', chain: known });
  for (const [pod, epoch] of done) {
    const isNew = state.done.get(pod)?.has(epoch) !== true;
    if (isNew && known.some((topology, index) => index > 0 && topology.epoch === epoch))
      writes.push({ kind: 'done', pod, epoch });
  }
  return writes;
}

/** The topologies that the pod may forget: every pod is done under the newest one. Call it from time to time. */
export function settle(state: MovingState): Step {
  const target = newest(state);
  if (state.chain.length === 1 || state.recovering.size > 0) return NOTHING;
  if (!everyPod(state).every((pod) => state.done.get(pod)?.has(target.epoch))) return NOTHING;
  return {
    writes: [
      { kind: 'settled', epoch: target.epoch, completeTo: target.epoch },
      { kind: 'chain', chain: [target] },
    ],
    sends: [],
  };
}
