/** Builds the two images of the staging run from the Dockerfile, even without an image registry. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from '../command.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

export const IMAGE = 'localhost/guildway:staging';
export const TESTKIT_IMAGE = 'localhost/guildway-testkit:staging';
const LOCAL_BASE = 'localhost/guildway-base:local';

/** @returns a description of the base image */
export async function buildImages(program: string, say: (line: string) => void): Promise<string> {
  const revision = (
    await command('git', ['rev-parse', '--short', 'HEAD'], { cwd: root }).catch(() => 'unknown')
  ).trim();
  const build = async (extra: readonly string[]): Promise<void> => {
    for (const [target, tag] of [
      ['runtime', IMAGE],
      ['testkit', TESTKIT_IMAGE],
    ] as const) {
      // Docker's format supports the health check. Podman's own network needs programs that the machine may not have.
      const format = program === 'podman' ? ['--format', 'docker', '--network', 'host'] : [];
      const args = [
        'build',
        ...format,
        ...extra,
        '--build-arg',
        `REVISION=${revision}`,
        '--target',
        target,
        '-t',
        tag,
        root,
      ];
      await command(program, args);
    }
  };
  if (await canPull(program)) {
    await build([]);
    return 'node:24-slim';
  }
  say("no image registry is reachable: building the base image from this machine's Node and its libraries");
  const folder = await mkdtemp(join(tmpdir(), 'guildway-image-'));
  try {
    await importLocalBase(program, folder);
    const stages = { packages: await installPackages(folder), javascript: await buildJavaScript(folder) };
    const contexts = Object.entries(stages).flatMap(([stage, path]) => ['--build-context', `${stage}=${path}`]);
    await build(['--build-arg', `BASE=${LOCAL_BASE}`, ...contexts]);
  } finally {
    await rm(folder, { recursive: true });
  }
  return `this machine's Node ${process.version}`;
}

async function canPull(program: string): Promise<boolean> {
  const node = 'docker.io/library/node:24-slim';
  const present = await command(program, ['image', 'inspect', node]).then(
    () => true,
    () => false,
  );
  if (present) return true;
  return command(program, ['pull', '--quiet', node]).then(
    () => true,
    () => false,
  );
}

/** Imports an image with the parts of node:24-slim that Guildway uses: Node, its libraries and a user. */
async function importLocalBase(program: string, folder: string): Promise<void> {
  const rootfs = join(folder, 'rootfs');
  const files = [...(await command('ldd', [process.execPath])).matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(
    ([, path]) => path as string,
  );
  for (const path of files) await copyInto(rootfs, path, path);
  await copyInto(rootfs, process.execPath, '/usr/local/bin/node');
  for (const path of ['/etc/ssl/certs/ca-certificates.crt']) await copyInto(rootfs, path, path).catch(() => {});
  await mkdir(join(rootfs, 'etc'), { recursive: true });
  await writeFile(
    join(rootfs, 'etc/passwd'),
    'root:x:0:0::/root:/sbin/nologin\nnode:x:1000:1000::/home/node:/sbin/nologin\n',
  );
  await writeFile(join(rootfs, 'etc/group'), 'root:x:0:\nnode:x:1000:\n');
  // Names come from the cluster's DNS.
  await writeFile(join(rootfs, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  await mkdir(join(rootfs, 'tmp'), { mode: 0o1777 });
  const archive = join(folder, 'rootfs.tar');
  await command('tar', [
    '--create',
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--file',
    archive,
    '--directory',
    rootfs,
    '.',
  ]);
  await command(program, ['import', '--change', 'ENV PATH=/usr/local/bin', archive, LOCAL_BASE]);
}

async function copyInto(rootfs: string, from: string, to: string): Promise<void> {
  await mkdir(dirname(join(rootfs, to)), { recursive: true });
  await cp(from, join(rootfs, to), { dereference: true });
}

/** Builds the content of the Dockerfile's stage `packages`. @returns the folder that replaces the stage */
async function installPackages(folder: string): Promise<string> {
  const packages = join(folder, 'packages');
  const app = join(packages, 'app');
  await mkdir(join(packages, 'volume/data'), { recursive: true });
  for (const file of ['package.json', 'package-lock.json']) await copyInto(app, join(root, file), file);
  await command('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: app });
  return packages;
}

/** Builds the content of the stage `javascript`. @returns the folder that replaces the stage */
async function buildJavaScript(folder: string): Promise<string> {
  const javascript = join(folder, 'javascript');
  await command(process.execPath, ['scripts/build.ts', join(javascript, 'app/dist')], { cwd: root });
  return javascript;
}
