import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GuildwayError } from '../errors.ts';

export const LANGUAGES = ['typescript', 'javascript'] as const;
export const DEPLOYMENTS = ['compose', 'kubernetes', 'both'] as const;

export interface ProjectOptions {
  /** A new or empty folder. Its name is the name of the bot. */
  readonly folder: string;
  readonly language: (typeof LANGUAGES)[number];
  /** Where the bot will run: one machine with Docker or Podman, a Kubernetes cluster, or either. */
  readonly deployment: (typeof DEPLOYMENTS)[number];
  /** The package `guildway` as npm takes it: a version range, or `file:` and a path. Default: this version. */
  readonly guildway?: string;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
/** What npm installs as `node`, so that a project needs only the Node that brings npm. */
const NODE = '24.21.0';

/**
 * Writes a new bot: its code, a test, and what it needs to be deployed. Runs on Node 20.
 * @returns the files, relative to the folder
 * @throws GuildwayError CONFIG_INVALID when the folder has other files or its name cannot be the name of a package
 */
export function createProject(options: ProjectOptions): string[] {
  const folder = resolve(options.folder);
  const name = basename(folder);
  if (!/^[a-z][a-z0-9-]{0,62}$/.test(name) || name.endsWith('-')) {
    fail(`${JSON.stringify(name)} cannot be the name of a bot: use a to z, 0 to 9 and -, such as my-bot`);
  }
  if (existsSync(folder)) {
    if (!statSync(folder).isDirectory()) fail(`${folder} is a file: choose another name`);
    const present = readdirSync(folder).filter((file) => file !== '.git');
    if (present.length > 0) {
      fail(
        `${folder} is not empty (${present[0]}): choose another name, or run guildway init --existing there for a bot that exists`,
      );
    }
  }
  const files = new Map([['package.json', manifest(name, options)]]);
  for (const [path, text] of templates()) {
    if (!isWanted(path, options)) continue;
    const written = (value: string): string => {
      const named = value.replaceAll('my-bot', name);
      return options.language === 'typescript' ? named : toJavaScript(named);
    };
    files.set(written(path), written(text));
  }
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return [...files.keys()];
}

function manifest(name: string, { language, guildway }: ProjectOptions): string {
  const typescript = language === 'typescript';
  const bot = `src/bot.${typescript ? 'ts' : 'js'}`;
  const content = {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    scripts: {
      dev: `guildway dev --bot ${bot}`,
      start: `guildway serve --env .env --bot ${bot}`,
      test: 'node --test',
      ...(typescript ? { check: 'tsc' } : {}),
    },
    dependencies: { 'discord-api-types': '^0.38.57', guildway: guildway ?? `^${ownVersion()}` },
    devDependencies: {
      ...(typescript ? { '@types/node': '^24.19.4' } : {}),
      node: NODE,
      ...(typescript ? { typescript: '^7.0.2' } : {}),
    },
    // The package `node` brings the program by a script.
    allowScripts: { node: true },
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** The templates have no types except those of rows. */
const toJavaScript = (text: string): string =>
  text.replace(/\b(bot(?:\.test)?)\.ts\b/g, '$1.js').replace(/\.get<[^>]*>\(/g, '.get(');

function isWanted(path: string, { language, deployment }: ProjectOptions): boolean {
  if (path === 'tsconfig.json') return language === 'typescript';
  if (path === 'compose.yaml') return deployment !== 'kubernetes';
  if (path.startsWith('deploy/')) return deployment !== 'compose';
  return true;
}

/** Path and text of each file. Names that npm does not pack begin with `_` instead of a dot. */
function* templates(): Generator<[path: string, text: string]> {
  const folder = join(root, 'templates/project');
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const path = relative(folder, file).replaceAll('\\', '/').replace(/^_/, '.');
    yield [path, readFileSync(file, 'utf8')];
  }
}

function ownVersion(): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
}

function fail(message: string): never {
  throw new GuildwayError('CONFIG_INVALID', message);
}
