import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MoveProgress } from '../../src/cli/progress.ts';
import type { RoutingStrategy, Topology } from '../../src/public-routing.ts';
import { systemClock } from '../discord/clock.ts';
import { type DiscordSimulator, type SimulatorOptions, startDiscordSimulator } from '../discord/index.ts';
import { type Balancer, startBalancer, type Target } from './balancer.ts';
import { besideBot, configFile, type ExistingBotFolder } from './bot-folder.ts';
import { ClusterClock } from './cluster-clock.ts';
import { createControl } from './control.ts';
import { Pod } from './pod.ts';
import { findFreePorts } from './ports.ts';
import { nextTopology, readTopologies } from './present-topology.ts';
import { Resizer } from './resizer.ts';

export { type Exit, Pod } from './pod.ts';

/** The credentials of an application at the real Discord. */
export interface DiscordCredentials {
  readonly token: string;
  readonly publicKey: string;
  readonly applicationId: string;
}

export interface ClusterOptions {
  /** HTTP pods. Default 2. */
  readonly httpPods?: number;
  /** Gateway pods. Default: those of the databases in `directory`, else 3. Another number than theirs moves guilds. */
  readonly gatewayPods?: number;
  /** The most gateway pods that the cluster may get while it runs. Default `gatewayPods`. */
  readonly mostGatewayPods?: number;
  /** Called with each gateway pod that is added while the cluster runs. */
  readonly onGatewayPod?: (pod: Pod) => void;
  /** Guilds of the simulator. Default 30. */
  readonly guilds?: number;
  /** The port that the HTTP pods share; default any free one. */
  readonly port?: number;
  /** The port of the simulator and its console; default any free one. */
  readonly consolePort?: number;
  /** The folder for databases, logs and secrets; default a new temporary folder, removed at the end. */
  readonly directory?: string;
  /** Default `md5`. */
  readonly routing?: RoutingStrategy;
  /** Discord's shard count. Default under `discord-shard`: twice the gateway pods; under `md5`: one. */
  readonly discordShards?: number;
  /** The bot's module; default the moderation bot. */
  readonly bot?: string;
  /** An existing bot that runs beside each gateway pod, from a copy of its folder, in place of `bot`. */
  readonly existingBot?: ExistingBotFolder;
  /** Further environment variables of every pod. */
  readonly env?: Readonly<Record<string, string>>;
  /** A command in front of each pod's command line, such as `['taskset', '-c', '1']`. It must exec that command line. */
  readonly launcher?: readonly string[];
  /**
   * Inserts proxies between the pods. Gets the ports of the gateway pods by ordinal, and returns the URL templates that HTTP pods
   * and gateway pods use. Default: direct connections.
   */
  readonly network?: (gatewayPorts: readonly number[]) => Promise<{ readonly http: string; readonly gateway: string }>;
  /** Further options of the simulator. */
  readonly simulator?: Omit<SimulatorOptions, 'port' | 'guilds' | 'interactionsUrl' | 'eventWebhookUrl'>;
  /** Run against the real Discord instead of the simulator. */
  readonly discord?: DiscordCredentials;
}

/** A whole system on one machine: a Discord simulator, HTTP pods behind one port, gateway pods with their databases. */
export interface Cluster extends AsyncDisposable {
  /** The URL of the HTTP service. */
  readonly url: string;
  /** Null if the cluster uses the real Discord. */
  readonly simulator: DiscordSimulator | null;
  readonly httpPods: readonly Pod[];
  readonly gatewayPods: readonly Pod[];
  readonly directory: string;
  /** Tells which gateway pod owns a guild: the newest topology, also while guilds move to it. */
  readonly topology: Topology;
  /** How far the move of guilds is; null if none moves. */
  readonly progress: MoveProgress | null;
  /** Starts another HTTP pod and adds it to the rotation when it is ready. */
  addHttpPod(): Promise<Pod>;
  /** Takes the last HTTP pod out of the rotation and stops it gracefully. */
  removeHttpPod(): Promise<void>;
  /** Makes the next gateway pod, with the environment of the others. It does not run yet. Up to `mostGatewayPods`. */
  addGatewayPod(): Pod;
  /**
   * Changes the number of gateway pods, while requests come. Resolves when every guild is at its owner.
   * @throws RangeError if the number is not allowed
   */
  resize(gatewayPods: number): Promise<void>;
  /** Sends new connections to these HTTP pods only, as if the others were not ready. */
  rotate(pods: readonly Pod[]): void;
  /**
   * Moves the clocks of the pods and of the simulator forward, and resolves when every job that is due has run. Deadlines, timers and pauses
   * do not jump. Not possible with the real Discord.
   * @param time such as `90s`, `15m`, `1h` or `2d`
   */
  advance(time: string): Promise<void>;
  /** The database of the pod with this ordinal. */
  databasePath(ordinal: number): string;
  stop(): Promise<void>;
}

/** Discord's interval is 5 s, too long for a terminal or a test. */
const IDENTIFY_INTERVAL_MS = 100;

/** All clusters share it: compiling the modules takes half of a pod's start. */
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/guildway', import.meta.url));

interface Secrets {
  readonly linkSecret: string;
  readonly stripeWebhookSecret: string;
}

async function readSecrets(directory: string): Promise<Secrets> {
  const file = join(directory, 'secrets.json');
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Secrets;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const secrets: Secrets = {
      linkSecret: randomBytes(32).toString('hex'),
      stripeWebhookSecret: `whsec_${randomBytes(24).toString('hex')}`,
    };
    await writeFile(file, JSON.stringify(secrets, null, 2), { mode: 0o600 });
    return secrets;
  }
}

/**
 * Starts a cluster and resolves when every pod is ready.
 * @throws the listening error if a port is in use; an error with the end of a pod's log if the pod does not become ready
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const temporary = options.directory === undefined;
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'guildway-')));
  await mkdir(join(directory, 'logs'), { recursive: true });
  const secrets = await readSecrets(directory);
  const databasePath = (ordinal: number): string => join(directory, `gateway-${ordinal}`, 'guildway.sqlite3');
  const placed = readTopologies(databasePath(0));
  const newest = placed?.at(-1);
  const count = options.gatewayPods ?? newest?.pods ?? 3;
  const httpCount = options.httpPods ?? 2;
  const strategy = options.routing ?? newest?.strategy ?? 'md5';
  const shards = options.discordShards ?? newest?.shards ?? (strategy === 'discord-shard' ? 2 * count : undefined);
  const topology = nextTopology({ strategy, pods: count, shards }, newest);
  // Pods of an older number start too: they have guilds to give away.
  const gatewayCount = Math.max(count, ...(placed ?? []).map(({ pods }) => pods));
  const mostPods = Math.max(options.mostGatewayPods ?? 0, gatewayCount);
  const undo: (() => Promise<unknown>)[] = temporary ? [() => rm(directory, { recursive: true, force: true })] : [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };

  try {
    const balancer = await startBalancer({ port: options.port ?? 0, host: '127.0.0.1' });
    undo.push(() => balancer.close());
    const url = `http://127.0.0.1:${balancer.port}`;
    const clock = new ClusterClock();
    const simulator = options.discord === undefined ? await startSimulator(options, url, clock) : null;
    const moves = simulator === null ? {} : { clock };
    if (simulator !== null) undo.push(() => simulator.stop());
    // One call for all ports: a second call could choose ports that have no listener yet.
    const firstPort = await findFreePorts(2 * (mostPods + httpCount) + mostPods);
    const firstWebPort = firstPort + 2 * (mostPods + httpCount);
    const botConfig = options.existingBot === undefined ? null : configFile(options.existingBot.folder);

    const direct = `http://127.0.0.1:{${firstPort}+ordinal}`;
    const gatewayPorts = Array.from({ length: mostPods }, (_, ordinal) => firstPort + ordinal);
    const templates = (await options.network?.(gatewayPorts)) ?? { http: direct, gateway: direct };

    const discord = options.discord ?? (simulator as DiscordSimulator);
    const shared: Record<string, string> = {
      NODE_COMPILE_CACHE: COMPILE_CACHE,
      NUM_GATEWAY_PODS: String(count),
      TOPOLOGY_EPOCH: String(topology.epoch),
      ROUTING: strategy,
      LINK_SECRET: secrets.linkSecret,
      DISCORD_APP_ID: discord.applicationId,
      ...(simulator === null ? {} : { IDENTIFY_INTERVAL_MS: String(IDENTIFY_INTERVAL_MS) }),
      ...(shards === undefined ? {} : { DISCORD_SHARDS: String(shards) }),
      ...(options.bot === undefined ? {} : { BOT: options.bot }),
      ...(botConfig === null ? {} : { BOT: botConfig }),
      // The data of the simulator is not private, so the pages are open and the console can link to them.
      ...(simulator === null ? {} : { DISCORD_API_URL: simulator.apiUrl, MODBOT_PAGES: 'open' }),
      MODBOT_URL: url,
      ...options.env,
    };
    const newGatewayPod = (ordinal: number): Pod => {
      const beside = besideBot(
        options.existingBot,
        join(directory, `gateway-${ordinal}`, 'bot'),
        firstWebPort + ordinal,
      );
      return new Pod({
        ...beside,
        ...moves,
        name: `gateway-${ordinal}`,
        ordinal,
        port: firstPort + ordinal,
        adminPort: firstPort + mostPods + ordinal,
        logFile: join(directory, 'logs', `gateway-${ordinal}.log`),
        launcher: options.launcher ?? [],
        env: {
          GATEWAY_URL_TEMPLATE: templates.gateway,
          ...shared,
          SERVICE_MODE: 'gateway',
          POD_NAME: `gateway-${ordinal}`,
          DATABASE_PATH: databasePath(ordinal),
          DISCORD_TOKEN: discord.token,
          ...beside.env,
        },
      });
    };
    const gatewayPods = Array.from({ length: gatewayCount }, (_, ordinal) => newGatewayPod(ordinal));
    const httpPods: Pod[] = [];
    const newHttpPod = (port: number): Pod => {
      const name = `http-${httpPods.length}`;
      return new Pod({
        ...moves,
        name,
        ordinal: null,
        port,
        adminPort: port + 1,
        logFile: join(directory, 'logs', `${name}.log`),
        launcher: options.launcher ?? [],
        env: {
          GATEWAY_URL_TEMPLATE: templates.http,
          ...shared,
          SERVICE_MODE: 'http',
          POD_NAME: name,
          DISCORD_PUBLIC_KEY: discord.publicKey,
          STRIPE_WEBHOOK_SECRET: secrets.stripeWebhookSecret,
        },
      });
    };
    for (let i = 0; i < httpCount; i++) httpPods.push(newHttpPod(firstPort + 2 * (mostPods + i)));

    const pods = [...gatewayPods, ...httpPods];
    // Lists HTTP pods first, so that clients never see a partly stopped system.
    undo.push(() => Promise.all([...httpPods, ...gatewayPods].map((pod) => endPod(pod))));
    for (const pod of pods) pod.spawn();
    await Promise.all(pods.map((pod) => pod.ready()));
    balancer.targets = httpPods.map(targetOf);
    const nextGatewayPod = (ordinal: number): Pod => {
      const pod = newGatewayPod(ordinal);
      const { NUM_GATEWAY_PODS, TOPOLOGY_EPOCH } = gatewayPods[0]?.env ?? {};
      Object.assign(pod.env, { NUM_GATEWAY_PODS, TOPOLOGY_EPOCH });
      options.onGatewayPod?.(pod);
      return pod;
    };
    const resizer = new Resizer({ topology, gatewayPods, httpPods, mostPods, newGatewayPod: nextGatewayPod });
    undo.push(async () => resizer.stop());
    if (simulator !== null) simulator.cluster = createControl({ resizer, gatewayPods, httpPods });
    if (placed !== null && placed[0].epoch !== topology.epoch) resizer.settleLater();

    return {
      url,
      simulator,
      httpPods,
      gatewayPods,
      directory,
      get topology() {
        return resizer.topology;
      },
      get progress() {
        return resizer.progress;
      },
      addGatewayPod() {
        const pod = nextGatewayPod(gatewayPods.length);
        gatewayPods.push(pod);
        return pod;
      },
      resize: (pods) => resizer.resize(pods),
      databasePath,
      async advance(time) {
        if (simulator === null) throw new Error('the clock of the real Discord does not move');
        await clock.advance(time, [...gatewayPods, ...httpPods]);
      },
      stop,
      [Symbol.asyncDispose]: stop,
      async addHttpPod() {
        const pod = newHttpPod(await findFreePorts(2));
        httpPods.push(pod);
        await pod.start();
        balancer.targets = httpPods.map(targetOf);
        return pod;
      },
      removeHttpPod: () => removeLast(httpPods, balancer),
      rotate(pods) {
        balancer.targets = pods.map(targetOf);
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startSimulator(options: ClusterOptions, url: string, clock: ClusterClock): Promise<DiscordSimulator> {
  return startDiscordSimulator({
    identifyWindowMs: IDENTIFY_INTERVAL_MS,
    ...options.simulator,
    clock: clock.of(options.simulator?.clock ?? systemClock),
    port: options.consolePort ?? 0,
    guilds: options.guilds ?? 30,
    interactionsUrl: `${url}/webhooks/discord`,
    eventWebhookUrl: `${url}/webhooks/discord-events`,
  });
}

const targetOf = ({ port }: Pod): Target => ({ host: '127.0.0.1', port });

async function removeLast(httpPods: Pod[], balancer: Balancer): Promise<void> {
  const pod = httpPods.pop();
  balancer.targets = httpPods.map(targetOf);
  await pod?.stop();
}

/** Stops a pod gracefully, even if it is paused. Kills it after 10 s. */
async function endPod(pod: Pod): Promise<void> {
  if (!pod.running) return;
  pod.resume();
  const timer = setTimeout(() => void pod.kill('SIGKILL'), 10_000);
  await pod.stop();
  clearTimeout(timer);
}
