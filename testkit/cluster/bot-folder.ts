import { closeSync, cpSync, existsSync, mkdirSync, openSync, readSync, statSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** An existing bot: a folder with its code, and the command that starts it there. */
export interface ExistingBotFolder {
  readonly folder: string;
  readonly command: readonly string[];
}

/** What a copy does not need. */
const LEFT_OUT: ReadonlySet<string> = new Set(['node_modules', '.git', '.guildway']);

/** The `guildway.config` file of a bot's folder, or null. */
export function configFile(folder: string): string | null {
  const names = ['ts', 'mts', 'mjs', 'js', 'json'].map((extension) => `guildway.config.${extension}`);
  const file = names.map((name) => resolve(folder, name)).find((path) => existsSync(path));
  return file ?? null;
}

/** Copies an existing bot for one pod. @returns the pod's working directory and variables; none without an existing bot */
export function besideBot(
  bot: ExistingBotFolder | undefined,
  cwd: string,
  webPort: number,
): { readonly cwd?: string; readonly env: Readonly<Record<string, string>> } {
  if (bot === undefined) return { env: {} };
  copyBotFolder(bot.folder, cwd);
  return { cwd, env: { BOT_COMMAND: JSON.stringify(bot.command), BOT_WEB_PORT: String(webPort) } };
}

/**
 * Copies a bot's folder for one pod, so that each pod's bot has databases of its own, wherever the bot opens them. Databases of the
 * original stay there: every pod would have the rows of all guilds. Databases of the copy stay, too.
 */
function copyBotFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  cpSync(from, to, {
    recursive: true,
    filter: (path) => !LEFT_OUT.has(basename(path)) && !isDatabase(path),
  });
  const modules = nearestModules(from);
  const link = join(to, 'node_modules');
  if (modules !== null && !existsSync(link)) symlinkSync(modules, link);
}

function nearestModules(folder: string): string | null {
  const path = join(resolve(folder), 'node_modules');
  if (existsSync(path)) return path;
  const parent = dirname(resolve(folder));
  return parent === resolve(folder) ? null : nearestModules(parent);
}

function isDatabase(path: string): boolean {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return false;
  if (/-(?:wal|shm|journal)$/.test(path)) return true;
  const file = openSync(path, 'r');
  try {
    const head = Buffer.alloc(16);
    readSync(file, head, 0, 16, 0);
    return head.toString('latin1').startsWith('SQLite format 3');
  } finally {
    closeSync(file);
  }
}
