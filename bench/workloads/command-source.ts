/**
 * The Discord of workload (g) in a separate process: the simulator with users who use `/note` on request.
 *
 * node bench/workloads/command-source.ts <guilds>
 */
import { startDiscordSimulator } from '../../testkit/discord/index.ts';

/** Uses the command with this many users at once until the time is over. */
export interface CommandOrder {
  /** The URL for interactions; null sends them over the gateway. */
  readonly url: string | null;
  readonly atOnce: number;
  readonly measureMs: number;
}

export interface CommandReport {
  readonly answered: number;
  readonly failed: number;
  /** The problem of the first failure, or null. */
  readonly problem: string | null;
  readonly elapsedMs: number;
  /** The milliseconds from sending to the first response. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

export interface CommandSource {
  readonly apiUrl: string;
  readonly applicationId: string;
  readonly publicKey: string;
  readonly token: string;
  readonly guilds: readonly string[];
}

const simulator = await startDiscordSimulator({
  guilds: Number(process.argv[2]),
  globalRequestsPerSecond: 1_000_000,
  messagesPerChannel: 50,
});

async function run({ url, atOnce, measureMs }: CommandOrder): Promise<CommandReport> {
  simulator.interactionsUrl = url;
  const { ids } = simulator.guilds;
  const latencies: number[] = [];
  let next = 0;
  let failed = 0;
  let problem: string | null = null;
  const startedAt = performance.now();
  const until = startedAt + measureMs;
  const user = async (): Promise<void> => {
    while (performance.now() < until) {
      const guildId = ids[next++ % ids.length] as string;
      const result = await simulator.interactions.command({
        guildId,
        name: 'note',
        options: { text: 'Buy milk on the way home' },
      });
      if (result.outcome === 'answered' && result.responseType === 4) latencies.push(result.elapsedMs);
      else {
        failed++;
        problem ??= result.problem ?? `${result.outcome} ${result.status}`;
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, user));
  const elapsedMs = performance.now() - startedAt;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
  return { answered: latencies.length, failed, problem, elapsedMs, p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}

process.on('message', (order: CommandOrder) => {
  void run(order).then((report) => process.send?.(report));
});
process.on('disconnect', () => process.exit(0));

const { apiUrl, applicationId, publicKey, token, guilds } = simulator;
process.send?.({ apiUrl, applicationId, publicKey, token, guilds: guilds.ids } satisfies CommandSource);
