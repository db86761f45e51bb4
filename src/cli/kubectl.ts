import { execFileSync } from 'node:child_process';
import { GuildwayError } from '../errors.ts';

export interface KubectlOptions {
  readonly namespace: string;
  readonly context?: string;
}

interface Failure extends Error {
  readonly code?: string;
  readonly status?: number | null;
  readonly stdout?: string;
  readonly stderr?: string;
}

/** Databases of many guilds print long inventories. */
const MAX_OUTPUT = 512 * 1024 * 1024;

/**
 * Runs kubectl and returns what it prints.
 * @throws GuildwayError LINK_UNAVAILABLE with its message
 */
export function kubectl(args: readonly string[], { namespace, context }: KubectlOptions, input?: string): string {
  const command = [...(context === undefined ? [] : ['--context', context]), '--namespace', namespace, ...args];
  try {
    return execFileSync('kubectl', command, {
      encoding: 'utf8',
      maxBuffer: MAX_OUTPUT,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(input === undefined ? {} : { input }),
    });
  } catch (cause) {
    const { code, status, stdout, stderr, message } = cause as Failure;
    // A command in a pod found a problem, such as `guildway status`, and has printed what it found.
    if (args[0] === 'exec' && status === 1 && stdout) return stdout;
    const why =
      code === 'ENOENT'
        ? 'kubectl is not installed: install it, or pass the database files with --database'
        : stderr?.trim() || message;
    throw new GuildwayError('LINK_UNAVAILABLE', `kubectl ${args.slice(0, 3).join(' ')}: ${why}`, { cause });
  }
}
