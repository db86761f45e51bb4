/** What Guildway is to reach: CPU per request, ours divided by theirs, at most. */
export interface TargetRatio {
  readonly workload: string;
  readonly peer: string;
  readonly atMost: number;
}

export const TARGETS: readonly TargetRatio[] = [
  { workload: 'a', peer: 'haproxy', atMost: 0.8 },
  { workload: 'a', peer: 'nginx-njs', atMost: 0.8 },
  { workload: 'a', peer: 'hello', atMost: 1.1 },
  { workload: 'a', peer: 'reply-from', atMost: 0.2 },
  { workload: 'a', peer: 'express-fetch', atMost: 0.1 },
  { workload: 'b', peer: 'express-interactions', atMost: 0.15 },
  { workload: 'b', peer: 'hello-verify', atMost: 1.25 },
  { workload: 'e', peer: 'published', atMost: 0.4 },
];
