import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GuildwayError } from '../../errors.ts';
import { MAX_PODS, type TopologyRecord } from '../../routing/topology.ts';

/** `replicas` of the StatefulSet in a kustomization. */
const REPLICAS =
  /^(replicas:\s*\n(?:\s*#.*\n|\s+-\s+name:.*\n\s+count:.*\n)*?\s+-\s+name:\s*gateway\s*\n\s+count:\s*)(\d+)/m;
const NAMESPACE = /^namespace:\s*(\S+)\s*$/m;

/** The numbers of a kustomize overlay: which pods run, and which of them own guilds. */
export interface OverlayNumbers {
  readonly replicas: number;
  readonly pods: number;
  readonly epoch: number;
}

/** A kustomize overlay like cluster/overlays/production, whose numbers are changed in place. */
export class Overlay {
  readonly path: string;

  /** @param path of the folder with kustomization.yaml and settings.env */
  constructor(path: string) {
    this.path = path;
  }

  /** @throws GuildwayError CONFIG_INVALID when a file or a number is not there */
  read(): OverlayNumbers {
    return {
      replicas: this.#replicas,
      pods: this.#setting('NUM_GATEWAY_PODS'),
      epoch: this.#setting('TOPOLOGY_EPOCH'),
    };
  }

  /** @throws GuildwayError CONFIG_INVALID */
  get namespace(): string {
    const [, namespace] = NAMESPACE.exec(this.#text('kustomization.yaml')) ?? [];
    if (namespace !== undefined) return namespace;
    throw invalid(`${join(this.path, 'kustomization.yaml')} has no namespace: add one, as namespace: guildway`);
  }

  setReplicas(count: number): void {
    this.#write('kustomization.yaml', REPLICAS, String(count));
  }

  setTopology({ pods, epoch }: Pick<TopologyRecord, 'pods' | 'epoch'>): void {
    this.#write('settings.env', settingOf('NUM_GATEWAY_PODS'), String(pods));
    this.#write('settings.env', settingOf('TOPOLOGY_EPOCH'), String(epoch));
  }

  get #replicas(): number {
    const [, , count] = REPLICAS.exec(this.#text('kustomization.yaml')) ?? [];
    if (count !== undefined) return Number(count);
    throw invalid(
      `${join(this.path, 'kustomization.yaml')} does not say how many gateway pods run: add it, as in cluster/overlays/production:\nreplicas:\n  - name: gateway\n    count: 3`,
    );
  }

  #setting(name: string): number {
    const [, , value] = settingOf(name).exec(this.#text('settings.env')) ?? [];
    if (value !== undefined) return Number(value);
    throw invalid(`${join(this.path, 'settings.env')} has no ${name}: add it, with the number that the pods have now`);
  }

  #text(file: string): string {
    try {
      return readFileSync(join(this.path, file), 'utf8');
    } catch (cause) {
      throw invalid(
        `${join(this.path, file)} cannot be read: name the folder of your overlay, a copy of cluster/overlays/production, with --overlay`,
        cause,
      );
    }
  }

  #write(file: string, pattern: RegExp, value: string): void {
    const text = this.#text(file);
    writeFileSync(
      join(this.path, file),
      text.replace(pattern, (_, before: string) => before + value),
    );
  }
}

const settingOf = (name: string): RegExp => new RegExp(`^(${name}=)(\\d{1,15})[ \\t]*$`, 'm');

const invalid = (message: string, cause?: unknown): GuildwayError =>
  new GuildwayError('CONFIG_INVALID', message, { cause });

/** @throws GuildwayError CONFIG_INVALID */
export function assertPods(pods: number, shards: number | null): void {
  if (pods > MAX_PODS) throw invalid(`--pods ${pods}: there can be ${MAX_PODS} gateway pods at most`);
  if (shards !== null && pods > shards)
    throw invalid(`--pods ${pods}: there are only ${shards} shards (DISCORD_SHARDS), and every pod needs one`);
}
