/**
 * The staging system in containers on one machine. It does the work of Kubernetes' controllers with the values of the manifests:
 * removes an HTTP pod from the balancer, waits for its preStop, ends it within its grace period, and so on.
 */
import type { Topology } from '../../../src/public-routing.ts';
import { type ContainerSpec, readStagingManifests, type StagingManifests, type StagingRouting } from '../manifests.ts';
import { gatewayName, type Platform, until } from '../platform.ts';
import { type Backups, findBackups } from './backups.ts';
import { type Engine, findEngine, findProgram } from './engine.ts';
import { buildImages, IMAGE, TESTKIT_IMAGE } from './images.ts';
import { removeLabelled } from './remove-labelled.ts';
import { runArguments } from './run-arguments.ts';

/** The label of everything that the run creates, so that it can be removed. */
const LABEL = 'guildway-staging';
const NETWORK = 'guildway-staging';
const READY_MS = 60_000;
const KILLED_FOR_MS = 10_000;

type Say = (line: string) => void;

export async function createContainerPlatform(routing: StagingRouting, say: Say): Promise<Platform> {
  const program = await findProgram();
  say(`building the images with ${program}`);
  const base = await buildImages(program, say);
  const engine = await findEngine(program, IMAGE);
  return new ContainerPlatform(engine, base, await findBackups(engine, say), routing);
}

class ContainerPlatform implements Platform {
  readonly description: string;
  readonly gatewayPods: number;
  readonly topology: Topology;
  readonly autoscaler = { unavailable: 'it needs Kubernetes' };
  readonly loseVolume: Platform['loseVolume'];
  readonly #engine: Engine;
  readonly #backups: Backups | { unavailable: string };
  readonly #manifests: StagingManifests;
  /** The names of the running HTTP pods, oldest first. */
  #http: string[] = [];
  #nextHttp = 0;
  /** The number of gateway pods that run. */
  #running: number;
  /** Replaces the values of the manifests. */
  #topologyEnv: ContainerSpec['env'] = {};
  #driverUrl = '';
  #balancerUrl = '';

  constructor(engine: Engine, base: string, backups: Backups | { unavailable: string }, routing: StagingRouting) {
    this.#manifests = readStagingManifests(routing);
    this.topology = routing.topology;
    this.#engine = engine;
    this.#backups = backups;
    this.description = `${engine.description}; image on ${base}`;
    this.gatewayPods = this.#manifests.gatewayPods;
    this.#running = this.gatewayPods;
    this.loseVolume = 'unavailable' in backups ? backups : (ordinal) => this.#loseVolume(ordinal, backups);
  }

  async deploy(): Promise<void> {
    await this.#removeEverything();
    await this.#do('network', 'create', '--label', LABEL, NETWORK);
    if ('start' in this.#backups) await this.#backups.start(LABEL);
    await this.#startBalancer();
    await this.#startDriver();
    await Promise.all(this.#ordinals().map((ordinal) => this.#startGateway(ordinal)));
    await Promise.all(this.#ordinals().map((ordinal) => this.#awaitReady(gatewayName(ordinal))));
    await this.scaleHttp(2);
  }

  driverUrl(): string {
    return this.#driverUrl;
  }

  async httpPods(): Promise<readonly string[]> {
    return this.#http;
  }

  async scaleHttp(pods: number): Promise<void> {
    await Promise.all(Array.from({ length: pods - this.#http.length }, () => this.#addHttpPod()));
    await Promise.all(this.#http.slice(pods).map((name) => this.#removeHttpPod(name)));
  }

  async restartHttp(): Promise<void> {
    for (const name of [...this.#http]) {
      await this.#addHttpPod();
      await this.#removeHttpPod(name);
    }
  }

  async restartGateways(): Promise<void> {
    for (const ordinal of this.#ordinals().toReversed()) {
      await this.#stop(gatewayName(ordinal), this.#manifests.gateway);
      await this.#removeGateway(ordinal);
      await this.#startGateway(ordinal);
      await this.#awaitReady(gatewayName(ordinal));
    }
  }

  async setGatewayPods(pods: number, epoch: number): Promise<void> {
    const added = Array.from({ length: pods }, (_, ordinal) => ordinal).slice(this.#running);
    await Promise.all(added.map((ordinal) => this.#startGateway(ordinal)));
    await Promise.all(added.map((ordinal) => this.#awaitReady(gatewayName(ordinal))));
    this.#running += added.length;
    this.#topologyEnv = { NUM_GATEWAY_PODS: String(pods), TOPOLOGY_EPOCH: String(epoch) };
    await this.restartGateways();
  }

  async endGateways(from: number): Promise<void> {
    for (const ordinal of this.#ordinals().slice(from)) {
      await this.#stop(gatewayName(ordinal), this.#manifests.gateway);
      await this.#removeGateway(ordinal);
    }
    this.#running = from;
  }

  async killGateway(ordinal: number): Promise<void> {
    await this.#do('kill', '--signal', 'KILL', gatewayName(ordinal));
    await this.#removeGateway(ordinal);
    await new Promise((resolve) => setTimeout(resolve, KILLED_FOR_MS));
    await this.#startGateway(ordinal);
    await this.#awaitReady(gatewayName(ordinal));
  }

  /** Swaps the pods' addresses. This is the hardest case: HTTP pods find a different gateway pod at the old address. */
  async moveGateways(ordinals: readonly number[]): Promise<{ ordinal: number; before: string; after: string }[]> {
    const before = await Promise.all(ordinals.map((ordinal) => this.#addressOf(gatewayName(ordinal))));
    const after = [...before.slice(1), ...before.slice(0, 1)];
    await Promise.all(
      ordinals.map(async (ordinal) => {
        await this.#do('kill', '--signal', 'KILL', gatewayName(ordinal));
        await this.#removeGateway(ordinal);
      }),
    );
    for (const [index, ordinal] of ordinals.entries()) await this.#startGateway(ordinal, after[index]);
    await Promise.all(ordinals.map((ordinal) => this.#awaitReady(gatewayName(ordinal))));
    return ordinals.map((ordinal, index) => ({
      ordinal,
      before: before[index] as string,
      after: after[index] as string,
    }));
  }

  run(pod: string, script: string): Promise<string> {
    return this.#do('exec', pod, 'node', '--no-warnings', '-e', script);
  }

  logs(pod: string): Promise<string> {
    return this.#engine.do(['logs', pod], { merge: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#removeEverything();
  }

  async #loseVolume(ordinal: number, backups: Backups): Promise<void> {
    const name = gatewayName(ordinal);
    await this.#do('kill', '--signal', 'KILL', name);
    await backups.stopReplica(ordinal, 'KILL');
    await this.#do('rm', '--force', name);
    await this.#do('volume', 'rm', volumeOf(ordinal));
    await this.#startGateway(ordinal);
    await this.#awaitReady(name);
  }

  // --- pods

  async #startGateway(ordinal: number, address?: string): Promise<void> {
    const name = gatewayName(ordinal);
    const { gateway } = this.#manifests;
    const spec = { ...gateway, env: { ...gateway.env, ...this.#topologyEnv } };
    // Gives the pod's user write access to the volume, as the CSI driver does for fsGroup.
    await this.#do('volume', 'create', '--label', LABEL, volumeOf(ordinal)).catch(() => {});
    if ('start' in this.#backups) {
      await this.#backups.restore(ordinal, volumeOf(ordinal));
      await this.#backups.startReplica(ordinal, volumeOf(ordinal));
    }
    await this.#start(name, IMAGE, spec, {
      options: [
        ...(address === undefined ? [] : ['--ip', address]),
        ...['--network-alias', `${name}.gateway-internal`, '--volume', `${volumeOf(ordinal)}:${spec.dataPath}`],
      ],
    });
  }

  async #removeGateway(ordinal: number): Promise<void> {
    await this.#do('rm', '--force', gatewayName(ordinal));
    if ('start' in this.#backups) await this.#backups.stopReplica(ordinal, 'TERM');
  }

  async #addHttpPod(): Promise<void> {
    const name = `http-${this.#nextHttp++}`;
    await this.#start(name, IMAGE, this.#manifests.http);
    await this.#awaitReady(name);
    this.#http.push(name);
    await this.#balance();
  }

  async #removeHttpPod(name: string): Promise<void> {
    // As in Kubernetes, both begin at the same time: the endpoint is removed while preStop waits.
    this.#http = this.#http.filter((one) => one !== name);
    await this.#balance();
    await this.#stop(name, this.#manifests.http);
    await this.#do('rm', name);
  }

  async #startDriver(): Promise<void> {
    const { discord } = this.#manifests;
    await this.#start('discord', TESTKIT_IMAGE, discord, { options: this.#publish(8091) });
    this.#driverUrl = await this.#urlOf('discord', 8091);
    await until('the driver', READY_MS, async () => (await fetch(`${this.driverUrl()}/healthz`)).ok);
  }

  async #startBalancer(): Promise<void> {
    const spec: ContainerSpec = {
      ...this.#manifests.discord,
      args: ['scripts/staging/balancer.ts'],
      env: { BALANCER_PORT: '80' },
      memory: '256Mi',
    };
    await this.#start('balancer', TESTKIT_IMAGE, spec, {
      options: [
        ...['--network-alias', 'http-service', ...this.#publish(8092)],
        ...['--sysctl', 'net.ipv4.ip_unprivileged_port_start=80'],
      ],
    });
    this.#balancerUrl = await this.#urlOf('balancer', 8092);
    await until('the balancer', READY_MS, async () => (await fetch(this.#balancerUrl)).ok);
  }

  async #balance(): Promise<void> {
    const response = await fetch(this.#balancerUrl, { method: 'PUT', body: JSON.stringify(this.#http) });
    await response.arrayBuffer();
  }

  // --- containers

  async #start(name: string, image: string, spec: ContainerSpec, extra: { options?: string[] } = {}): Promise<void> {
    const options = ['--label', LABEL, '--network', NETWORK, ...(extra.options ?? [])];
    await this.#do(...runArguments(this.#engine, { name, image, spec, options }));
  }

  /** preStop, SIGTERM, and the rest of the grace period. @throws if the pod does not end by itself with code 0 */
  async #stop(name: string, spec: ContainerSpec): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, spec.preStopSeconds * 1_000));
    await this.#do('stop', '--time', String(spec.graceSeconds - spec.preStopSeconds), name);
    const code = await this.#inspect(name, '{{.State.ExitCode}}');
    if (code !== '0') throw new Error(`${name} ended with code ${code}:\n${(await this.logs(name)).slice(-2_000)}`);
  }

  async #awaitReady(name: string): Promise<void> {
    const probe =
      "fetch('http://127.0.0.1:9090/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))";
    let ended = '';
    await until(`${name} ready`, READY_MS, async () => {
      if ((await this.#inspect(name, '{{.State.Running}}')) !== 'true') {
        ended = ` but it ended with code ${await this.#inspect(name, '{{.State.ExitCode}}')}`;
        return true;
      }
      return this.run(name, probe).then(() => true);
    }).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${(await this.logs(name)).slice(-3_000)}`);
    });
    if (ended !== '') throw new Error(`${name} should be ready,${ended}:\n${(await this.logs(name)).slice(-3_000)}`);
  }

  #addressOf(name: string): Promise<string> {
    return this.#inspect(name, '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}');
  }

  async #inspect(name: string, format: string): Promise<string> {
    return (await this.#do('inspect', '--format', format, name)).trim();
  }

  #publish(port: number): string[] {
    return this.#engine.publishesPorts ? ['--publish', `127.0.0.1::${port}`] : [];
  }

  /** The URL of a container's port for this machine. */
  async #urlOf(name: string, port: number): Promise<string> {
    if (!this.#engine.publishesPorts) return `http://${await this.#addressOf(name)}:${port}`;
    return `http://${(await this.#do('port', name, `${port}/tcp`)).trim()}`;
  }

  #removeEverything(): Promise<void> {
    return removeLabelled(this.#engine, LABEL);
  }

  #ordinals(): number[] {
    return Array.from({ length: this.#running }, (_, ordinal) => ordinal);
  }

  #do(...args: string[]): Promise<string> {
    return this.#engine.do(args);
  }
}

const volumeOf = (ordinal: number): string => `${LABEL}-data-${gatewayName(ordinal)}`;
