/**
 * Litestream beside each gateway pod, with the arguments and the configuration of `cluster/components/litestream`, and an S3 server.
 * Both are Go programs, found on the PATH or built once with `go install`.
 */
import { access, mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from '../command.ts';
import { readLitestream } from '../manifests.ts';
import { gatewayName, until } from '../platform.ts';
import type { Engine } from './engine.ts';
import { IMAGE } from './images.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const BIN = join(root, '.guildway/bin');

const PROGRAMS = {
  litestream: 'github.com/benbjohnson/litestream/cmd/litestream@v0.5.18',
  versitygw: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0',
} as const;
type Program = keyof typeof PROGRAMS;

const S3 = 's3';
const S3_PORT = 7070;
const BUCKET = 'backups';
const CREDENTIALS = { access: 'staging', secret: 'staging-secret' };

export interface Backups {
  /** Starts the S3 server. */
  start(label: string): Promise<void>;
  /** Runs the init container, which does nothing if there is a database or no backup. */
  restore(ordinal: number, volume: string): Promise<void>;
  startReplica(ordinal: number, volume: string): Promise<void>;
  /** Ends the sidecar: gracefully, so that it uploads the last changes, or abruptly, as with a lost node. */
  stopReplica(ordinal: number, signal: 'TERM' | 'KILL'): Promise<void>;
}

export async function findBackups(
  engine: Engine,
  say: (line: string) => void,
): Promise<Backups | { unavailable: string }> {
  try {
    const litestream = await findOrBuild('litestream', say);
    const versitygw = await findOrBuild('versitygw', say);
    return new LitestreamBackups(engine, litestream, versitygw);
  } catch (error) {
    return { unavailable: `no Litestream: ${(error as Error).message.split('\n')[0]}` };
  }
}

async function findOrBuild(name: Program, say: (line: string) => void): Promise<string> {
  for (const folder of [BIN, ...(process.env.PATH ?? '').split(delimiter)]) {
    const path = join(folder, name);
    const found = await access(path).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  await command('go', ['version']).catch(() => {
    throw new Error(`${name} is not on the PATH, and neither is Go to build it: install one of them`);
  });
  say(`building ${name} with Go, once`);
  await mkdir(BIN, { recursive: true });
  // Without C libraries the program runs in any image.
  const env = { ...process.env, CGO_ENABLED: '0', GOBIN: BIN };
  await command('go', ['install', '-ldflags=-s -w', PROGRAMS[name]], { env });
  return join(BIN, name);
}

class LitestreamBackups implements Backups {
  readonly #engine: Engine;
  readonly #litestream: string;
  readonly #versitygw: string;
  readonly #manifest = readLitestream();
  #label = '';
  /** An address instead of a name: Podman's name server stalls while containers start and stop, which would delay Litestream's end. */
  #s3Address = '';

  constructor(engine: Engine, litestream: string, versitygw: string) {
    this.#engine = engine;
    this.#litestream = litestream;
    this.#versitygw = versitygw;
  }

  /** A separate network, so that its addresses do not collide with those of the pods. */
  get #network(): string {
    return `${this.#label}-backup`;
  }

  async start(label: string): Promise<void> {
    this.#label = label;
    await this.#do('network', 'create', '--label', label, this.#network);
    // The image's folder /data gives a new volume the right owner. A bucket is a folder.
    const volume = ['--volume', `${this.#network}:/data`];
    await this.#do('volume', 'create', '--label', label, this.#network);
    await this.#run('s3-bucket', ['--rm', ...volume], {
      entrypoint: 'node',
      args: ['-e', `require('node:fs').mkdirSync('/data/${BUCKET}')`],
    });
    const { access: key, secret } = CREDENTIALS;
    await this.#run(S3, ['--detach', ...volume, '--volume', `${this.#versitygw}:/versitygw:ro`], {
      entrypoint: '/versitygw',
      args: ['--quiet', '--port', `:${S3_PORT}`, '--access', key, '--secret', secret, 'posix', '/data'],
    });
    const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
    this.#s3Address = (await this.#do('inspect', '--format', format, S3)).trim();
    const probe = `fetch('http://127.0.0.1:${S3_PORT}/').then(() => process.exit(0), () => process.exit(1))`;
    await until('the S3 server', 30_000, () => this.#do('exec', S3, 'node', '-e', probe).then(() => true));
  }

  async restore(ordinal: number, volume: string): Promise<void> {
    const name = `${gatewayName(ordinal)}-restore`;
    await this.#run(name, ['--rm', ...this.#options(ordinal, volume)], {
      entrypoint: '/litestream',
      args: this.#manifest.restoreArgs,
    });
  }

  async startReplica(ordinal: number, volume: string): Promise<void> {
    await this.#run(`${gatewayName(ordinal)}-litestream`, ['--detach', ...this.#options(ordinal, volume)], {
      entrypoint: '/litestream',
      args: this.#manifest.replicateArgs,
    });
  }

  async stopReplica(ordinal: number, signal: 'TERM' | 'KILL'): Promise<void> {
    const name = `${gatewayName(ordinal)}-litestream`;
    if (signal === 'KILL') await this.#do('kill', '--signal', 'KILL', name);
    else await this.#do('stop', '--time', '30', name);
    await this.#do('rm', '--force', name);
  }

  #options(ordinal: number, volume: string): string[] {
    const env = {
      POD_NAME: gatewayName(ordinal),
      BACKUP_BUCKET: BUCKET,
      BACKUP_PREFIX: 'guildway',
      BACKUP_REGION: 'us-east-1',
      BACKUP_ENDPOINT: `http://${this.#s3Address}:${S3_PORT}`,
      AWS_ACCESS_KEY_ID: CREDENTIALS.access,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secret,
    };
    return [
      ...['--volume', `${this.#litestream}:/litestream:ro`, '--volume', `${volume}:/data`, '--tmpfs', '/tmp:mode=1777'],
      ...['--volume', `${this.#manifest.configFile}:/etc/litestream/litestream.yml:ro`],
      ...Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
    ];
  }

  #run(
    name: string,
    options: readonly string[],
    what: { entrypoint: string; args: readonly string[] },
  ): Promise<string> {
    return this.#do(
      'run',
      ...['--name', name, '--label', this.#label, '--network', this.#network, '--user', '1000:1000', '--read-only'],
      ...['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--entrypoint', what.entrypoint],
      ...(this.#engine.limitsMemory ? ['--memory', '256m', '--memory-swap', '256m'] : []),
      ...this.#engine.runOptions,
      ...options,
      IMAGE,
      ...what.args,
    );
  }

  #do(...args: string[]): Promise<string> {
    return this.#engine.do(args);
  }
}
