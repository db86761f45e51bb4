/**
 * Checks that a real Kubernetes API server accepts every object of every overlay: `kubectl apply --dry-run=server` with strict
 * validation, where a warning counts as a rejection. Go builds the API server and its etcd once (about ten minutes). They run on the
 * loopback address during the check. Needs Go and kubectl:
 *
 *   npx node scripts/staging/kubernetes/dry-run.ts
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from '../command.ts';
import { until } from '../platform.ts';

const KUBERNETES = { version: 'v1.34.4', libraries: 'v0.34.4' };
const ETCD = 'v3.6.8';
/** The Go modules with the custom resources, and the files in them. */
const CUSTOM_RESOURCES = {
  'sigs.k8s.io/gateway-api@v1.6.1': ['config/crd/standard/gateway.networking.k8s.io_httproutes.yaml'],
  'github.com/prometheus-operator/prometheus-operator@v0.85.0': [
    'example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml',
    'example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml',
  ],
};

const root = fileURLToPath(new URL('../../../', import.meta.url));
const built = join(root, '.guildway/kubernetes');
const say = (line: string): void => void process.stdout.write(`${line}\n`);

interface Module {
  readonly Dir: string;
  readonly GoMod: string;
}

async function download(module: string): Promise<Module> {
  return JSON.parse(await command('go', ['mod', 'download', '-json', module])) as Module;
}

/** Builds a program in a new Go module that requires only this program. @returns the program's path */
async function build(name: string, program: string, goMod: () => Promise<string>): Promise<string> {
  const path = join(built, name);
  const present = await access(path).then(
    () => true,
    () => false,
  );
  if (present) return path;
  say(`building ${name}, once`);
  const source = await mkdtemp(join(tmpdir(), 'guildway-go-'));
  await writeFile(join(source, 'go.mod'), await goMod());
  await writeFile(join(source, 'tools.go'), `//go:build tools\n\npackage tools\n\nimport _ "${program}"\n`);
  const options = { cwd: source, env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod' } };
  await command('go', ['mod', 'tidy', '-e'], options);
  await command('go', ['build', '-trimpath', '-ldflags=-s -w', '-o', path, program], options);
  await rm(source, { recursive: true });
  return path;
}

/** Kubernetes' own go.mod replaces its libraries with folders. Elsewhere they are separate modules. */
async function kubernetesGoMod(): Promise<string> {
  const { GoMod } = await download(`k8s.io/kubernetes@${KUBERNETES.version}`);
  const names = [...(await readFile(GoMod, 'utf8')).matchAll(/^\s*(k8s\.io\/[a-z-]+) => \.\/staging/gm)];
  const replacements = names.map(([, name]) => `\t${name} => ${name} ${KUBERNETES.libraries}`);
  return `module tools\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes ${KUBERNETES.version}\n\nreplace (\n${replacements.join('\n')}\n)\n`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function main(): Promise<boolean> {
  await mkdir(built, { recursive: true });
  const etcd = await build('etcd', 'go.etcd.io/etcd/server/v3', async () => {
    return `module tools\n\ngo 1.24.0\n\nrequire go.etcd.io/etcd/server/v3 ${ETCD}\n`;
  });
  const apiServer = await build('kube-apiserver', 'k8s.io/kubernetes/cmd/kube-apiserver', kubernetesGoMod);

  const folder = await mkdtemp(join(tmpdir(), 'guildway-api-'));
  const children: ChildProcess[] = [];
  const start = (program: string, args: string[]): void => {
    children.push(spawn(program, args, { cwd: folder, stdio: 'ignore' }));
  };
  try {
    const [client, peer, secure] = [await freePort(), await freePort(), await freePort()];
    const [etcdUrl, peerUrl] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`];
    const token = randomBytes(16).toString('hex');
    await command('openssl', ['genrsa', '-out', join(folder, 'accounts.key'), '2048']);
    await writeFile(join(folder, 'tokens.csv'), `${token},admin,admin,system:masters\n`);
    start(etcd, [
      ...['--data-dir', 'etcd', '--unsafe-no-fsync', '--initial-cluster', `default=${peerUrl}`],
      ...['--listen-client-urls', etcdUrl, '--advertise-client-urls', etcdUrl],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl],
    ]);
    start(apiServer, [
      ...['--etcd-servers', etcdUrl, '--bind-address', '127.0.0.1', '--secure-port', String(secure)],
      ...['--cert-dir', 'certificates', '--token-auth-file', 'tokens.csv', '--authorization-mode', 'RBAC'],
      ...['--service-account-key-file', 'accounts.key', '--service-account-signing-key-file', 'accounts.key'],
      ...['--service-account-issuer', 'https://kubernetes.default.svc', '--service-cluster-ip-range', '10.96.0.0/16'],
    ]);
    const kubeconfig = {
      clusters: [{ name: 'it', cluster: { server: `https://127.0.0.1:${secure}`, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'it', user: { token } }],
      contexts: [{ name: 'it', context: { cluster: 'it', user: 'it' } }],
      'current-context': 'it',
    };
    await writeFile(join(folder, 'kubeconfig'), JSON.stringify(kubeconfig));
    const env = { ...process.env, KUBECONFIG: join(folder, 'kubeconfig') };
    const kubectl = (args: string[], input?: string): Promise<string> =>
      command('kubectl', args, { env, merge: true, ...(input === undefined ? {} : { input }) });
    await until('the API server', 90_000, () => kubectl(['get', '--raw', '/readyz']).then(() => true));

    for (const [module, files] of Object.entries(CUSTOM_RESOURCES)) {
      const { Dir } = await download(module);
      for (const file of files) await kubectl(['apply', '--server-side', '--filename', join(Dir, file)]);
    }
    await kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=60s']);
    return await checkOverlays(kubectl);
  } finally {
    for (const child of children.toReversed()) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  }
}

async function checkOverlays(kubectl: (args: string[], input?: string) => Promise<string>): Promise<boolean> {
  let clean = true;
  for (const overlay of ['staging', 'production']) {
    const folder = join(root, 'cluster/overlays', overlay);
    // Creates the namespace, so that its Pod Security level applies to the pods.
    await kubectl(['apply', '--filename', join(folder, 'namespace.yaml')]);
    const answer = await kubectl(
      ['apply', '--dry-run=server', '--validate=strict', '--filename', '-'],
      await command('kubectl', ['kustomize', folder]),
    ).catch((error: Error) => error.message);
    // Ignores the warning about kubectl's version, which is not about the objects.
    const lines = answer.split('\n').filter((line) => line !== '' && !line.startsWith('WARNING: version difference'));
    const refused = lines.filter((line) => !line.endsWith('(server dry run)'));
    say(`${overlay}: ${lines.length - refused.length} objects accepted`);
    for (const line of refused) say(`  ${line}`);
    if (refused.length > 0) clean = false;
  }
  const ingress = join(root, 'cluster/components/ingress/ingress.yaml');
  say((await kubectl(['apply', '--dry-run=server', '--validate=strict', '--filename', ingress])).trim());
  return clean;
}

main().then(
  (clean) => process.exit(clean ? 0 : 1),
  (error: Error) => {
    process.stderr.write(`dry-run: ${error.message}\n`);
    process.exit(1);
  },
);
