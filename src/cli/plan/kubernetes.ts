import { GuildwayError } from '../../errors.ts';
import type { Inventory } from '../../gateway/store/moving/inventory.ts';
import type { TopologyRecord } from '../../routing/topology.ts';
import { type KubectlOptions, kubectl } from '../kubectl.ts';
import type { PodInventory } from './move-plan.ts';

export type { KubectlOptions } from '../kubectl.ts';

/**
 * Reads the database of each gateway pod in its own container, beside the running pod.
 * @throws GuildwayError LINK_UNAVAILABLE when kubectl fails; LINK_PROTOCOL when a pod prints something else
 */
export function inventoriesByKubectl(options: KubectlOptions): {
  readonly pods: readonly PodInventory[];
  readonly from: TopologyRecord;
} {
  const first = readPod(0, options);
  const placement = first.placement;
  if (placement === null) {
    throw new GuildwayError('CONFIG_INVALID', 'gateway-0 has no rows: nothing would move');
  }
  const from = placement.topology;
  const pods = Array.from({ length: from.pods }, (_, pod) => ({
    pod,
    inventory: pod === 0 ? first : readPod(pod, options),
  }));
  return { pods, from };
}

function readPod(pod: number, options: KubectlOptions): Inventory {
  const command = ['node', 'src/cli/index.js', 'inventory'];
  const text = kubectl(['exec', `gateway-${pod}`, '-c', 'gateway', '--', ...command], options);
  try {
    const inventory = JSON.parse(text) as Inventory;
    if (Array.isArray(inventory.guilds)) return inventory;
  } catch {
    // The error below names the pod.
  }
  throw new GuildwayError(
    'LINK_PROTOCOL',
    `gateway-${pod} printed no inventory: run this version of Guildway in it first`,
  );
}
