/** Renders the manifests of `cluster/` and checks objects against the published Kubernetes schemas, without a network. */
import { spawnSync } from 'node:child_process';
import { parseAllDocuments } from 'yaml';

/** A Kubernetes object in the form of its YAML. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Record<string, string> };
  // biome-ignore lint/suspicious/noExplicitAny: the schema check is what says that a path through it exists
  readonly [key: string]: any;
}

/** The command that renders kustomizations on this machine, or undefined without one. */
export function findKustomize(): readonly string[] | undefined {
  const version = (program: string, ...args: string[]) => spawnSync(program, args, { encoding: 'utf8' }).stdout ?? '';
  // Old versions, such as Debian's kubectl 1.20, do not support components and replacements.
  if (/^Kustomize Version: v[5-9]/m.test(version('kubectl', 'version', '--client'))) return ['kubectl', 'kustomize'];
  if (/^v[5-9]/.test(version('kustomize', 'version'))) return ['kustomize', 'build'];
  return undefined;
}

/** Renders a kustomization. Also returns standard error, such as warnings. */
export function render(
  command: readonly string[],
  folder: string,
): { objects: KubernetesObject[]; complaints: string } {
  const [program, ...args] = command as [string, ...string[]];
  const { status, stdout, stderr, error } = spawnSync(program, [...args, folder], { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command.join(' ')} ${folder}: ${stderr}`);
  return { objects: parseObjects(stdout), complaints: stderr };
}

export function parseObjects(text: string): KubernetesObject[] {
  return parseAllDocuments(text, { merge: true }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    const object = document.toJS() as KubernetesObject;
    // Long values are wrapped, which Kubernetes allows in base64 and the schema's format does not.
    if (object.kind !== 'Secret') return object;
    const data = Object.entries(object.data as Record<string, string>);
    return { ...object, data: Object.fromEntries(data.map(([key, value]) => [key, value.replaceAll(/\s/g, '')])) };
  });
}

/** The packages with the schemas of API groups. All others are Kubernetes' own. */
const SCHEMAS: Readonly<Record<string, string>> = {
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
};

/** The errors of an object by its schema: wrong types and values, missing fields, and unknown fields. */
export async function problemsOf(object: KubernetesObject): Promise<string[]> {
  const { apiVersion, kind } = object;
  const group = apiVersion.split('/')[0] as string;
  const module = (await import(`${SCHEMAS[group] ?? 'kubernetes-models'}/${apiVersion}/${kind}`)) as Record<
    string,
    { prototype: { validate(): void } }
  >;
  const model = module[kind];
  if (model === undefined) return [`no schema of ${apiVersion} ${kind}`];
  const watched = watchReads(object);
  try {
    model.prototype.validate.call(watched.value);
  } catch (error) {
    return [(error as Error).message];
  }
  return watched.unread().map((path) => `${path}: no such field`);
}

/**
 * The compiled schemas accept unknown fields, as JSON Schema does, but misspelt fields are the most common mistake. A validator reads every
 * field that the schema knows, so Kubernetes would reject or drop a field that the validator never reads.
 */
function watchReads<T extends object>(root: T): { value: T; unread(): string[] } {
  const watched = new Map<object, { path: string; proxy: object; read: Set<string | symbol> }>();
  const watch = (value: object, path: string): object => {
    const known = watched.get(value);
    if (known !== undefined) return known.proxy;
    const read = new Set<string | symbol>();
    const proxy = new Proxy(value, {
      get(target, key) {
        read.add(key);
        const child = Reflect.get(target, key) as unknown;
        return typeof child === 'object' && child !== null ? watch(child, `${path}/${String(key)}`) : child;
      },
    });
    watched.set(value, { path, proxy, read });
    return proxy;
  };
  const collect = (value: unknown): string[] => {
    const seen = watched.get(value as object);
    if (seen === undefined) return [];
    return Object.entries(value as object).flatMap(([key, child]) =>
      seen.read.has(key) ? collect(child) : [`${seen.path}/${key}`],
    );
  };
  return { value: watch(root, '') as T, unread: () => collect(root) };
}
