import type { Pods } from '../../src/cli/pods.ts';
import type { ClusterControl, PodView } from '../discord/cluster-control.ts';
import type { Pod } from './pod.ts';
import type { Resizer } from './resizer.ts';

/** The page has no room for more. */
const SHOWN_GUILDS = 400;

export interface ControlOptions {
  readonly resizer: Resizer;
  readonly gatewayPods: readonly Pod[];
  readonly httpPods: readonly Pod[];
}

/** What the console of the simulator sees and changes of the local cluster. */
export function createControl({ resizer, gatewayPods, httpPods }: ControlOptions): ClusterControl {
  let problem: string | null = null;
  return {
    async view() {
      const [states, guilds] = await Promise.all([ask<Pods>('/pods'), ask<GuildLists>('/guilds')]);
      const { pods } = resizer.topology;
      return {
        pods: gatewayPods.map(({ ordinal }): PodView => {
          const state = states?.answers[String(ordinal)];
          const guildIds = guilds?.answers[String(ordinal)]?.guilds ?? [];
          return {
            pod: ordinal ?? 0,
            state: stateOf(ordinal ?? 0, state?.ready, pods),
            guilds: guildIds.length,
            guildIds: guildIds.slice(0, Math.floor(SHOWN_GUILDS / gatewayPods.length)),
          };
        }),
        gatewayPods: resizer.target,
        mostPods: resizer.mostPods,
        isChanging: resizer.isRunning,
        progress: resizer.progress,
        problem,
      };
    },
    resize(count) {
      problem = null;
      resizer.resize(count).catch((error: Error) => {
        problem = error.message;
      });
    },
  };

  async function ask<Answer>(path: string): Promise<Answer | null> {
    return (await httpPods[0]?.admin<Answer>(path).catch(() => null)) ?? null;
  }
}

interface GuildLists {
  readonly answers: Readonly<Record<string, { readonly guilds: readonly string[] }>>;
}

function stateOf(ordinal: number, isReady: boolean | undefined, pods: number): PodView['state'] {
  if (isReady === undefined) return 'starting';
  if (ordinal >= pods) return 'leaving';
  return isReady ? 'ready' : 'not ready';
}
