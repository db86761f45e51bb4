/** A gateway pod as the console shows it. */
export interface PodView {
  readonly pod: number;
  readonly state: 'starting' | 'ready' | 'not ready' | 'leaving';
  /** The number of guilds that it owns. */
  readonly guilds: number;
  /** Ids of the first ones. */
  readonly guildIds: readonly string[];
}

/** The gateway pods as the console shows them. Plain data. */
interface ClusterView {
  readonly pods: readonly PodView[];
  /** The number of gateway pods that the topology has, or will have when the change is complete. */
  readonly gatewayPods: number;
  readonly mostPods: number;
  /** The number is being changed. */
  readonly isChanging: boolean;
  /** Null: no guild moves, as far as is known. */
  readonly progress: {
    readonly arrived: number;
    readonly left: number;
    readonly donePods: number;
    readonly pods: number;
    readonly troubles: readonly string[];
  } | null;
  /** Why the last change ended early; null if it did not. */
  readonly problem: string | null;
}

/** What the simulator's console can see and change of the pods behind the bot. */
export interface ClusterControl {
  view(): Promise<ClusterView>;
  /** Begins to change the number of gateway pods. @throws Error if the number is not allowed, in words */
  resize(gatewayPods: number): void;
}
