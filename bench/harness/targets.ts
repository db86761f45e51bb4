/** The targets: the maximum ratio of our CPU per request to the peer's. */
interface TargetRatio {
  readonly workload: string;
  readonly peer: string;
  readonly atMost: number;
}

const TARGETS: readonly TargetRatio[] = [
  { workload: 'a', peer: 'haproxy', atMost: 0.8 },
  { workload: 'a', peer: 'haproxy-best', atMost: 1.0 },
  { workload: 'a', peer: 'nginx-njs', atMost: 0.8 },
  { workload: 'a', peer: 'hello', atMost: 1.1 },
  { workload: 'a', peer: 'reply-from', atMost: 0.2 },
  { workload: 'a', peer: 'express-fetch', atMost: 0.1 },
  { workload: 'b', peer: 'express-interactions', atMost: 0.14 },
  { workload: 'b', peer: 'hello-verify', atMost: 1.25 },
  { workload: 'c', peer: 'haproxy', atMost: 2.5 },
  { workload: 'f', peer: 'discordjs', atMost: 0.7 },
  { workload: 'g1', peer: 'discordjs', atMost: 1.1 },
  { workload: 'g16', peer: 'discordjs', atMost: 0.8 },
  { workload: 'g16', peer: 'express', atMost: 0.5 },
  { workload: 'm', peer: 'discordjs', atMost: 1.15 },
  // 2.5 times as many commands per second and core.
  { workload: 'g64-core', peer: 'discordjs', atMost: 0.4 },
  { workload: 'e', peer: 'published', atMost: 0.4 },
];

/** The target for the ratio to a peer in a workload, or null. */
export const targetOf = (workload: string, peer: string): number | null =>
  TARGETS.find((target) => target.workload === workload && target.peer === peer)?.atMost ?? null;
