/** Podman or Docker: finds out what this machine needs for a container to start, instead of asking. */
import { readFileSync } from 'node:fs';
import { command } from '../command.ts';

export interface Engine {
  readonly program: 'podman' | 'docker';
  /** For the report. */
  readonly description: string;
  /** Options that every `run` needs here. */
  readonly runOptions: readonly string[];
  /** Whether memory limits are in force. */
  readonly limitsMemory: boolean;
}

export class EngineMissing extends Error {}

/** Finds Podman, else Docker. @throws EngineMissing with what to install */
export async function findProgram(): Promise<'podman' | 'docker'> {
  for (const program of ['podman', 'docker'] as const) {
    try {
      // Not just its version: a command without its daemon is of no use.
      await command(program, ['info']);
      return program;
    } catch {
      // Try the next one.
    }
  }
  throw new EngineMissing(
    'needs Podman or Docker. On Debian: apt-get install podman netavark aardvark-dns iptables nftables runc',
  );
}

/**
 * Starts containers with more and more help until one runs.
 * @param image any image with Node
 */
export async function findEngine(program: 'podman' | 'docker', image: string): Promise<Engine> {
  const version = (await command(program, ['--version'])).trim();
  if (program === 'docker') return { program, description: version, runOptions: [], limitsMemory: true };

  const ulimits = inheritedUlimits();
  const memory = ['--memory', '64m'];
  // Every line is for a kind of machine that was met.
  const attempts: { options: string[]; limitsMemory: boolean }[] = [
    { options: [], limitsMemory: true },
    // No right to raise hard limits, and Podman asks for high ones: a virtual machine with its own limits, a container.
    { options: ulimits, limitsMemory: true },
    // crun is there but does not run.
    { options: ['--runtime', 'runc', ...ulimits], limitsMemory: true },
    // No cgroups that may be written to.
    { options: ['--cgroups', 'disabled', ...ulimits], limitsMemory: false },
    { options: ['--runtime', 'runc', '--cgroups', 'disabled', ...ulimits], limitsMemory: false },
  ];
  const failures: string[] = [];
  for (const { options, limitsMemory } of attempts) {
    const limits = limitsMemory ? memory : [];
    try {
      // Without systemd Podman cannot time health checks, and warns at every container.
      const base = ['--no-healthcheck', ...options];
      await command(program, ['run', '--rm', '--network', 'none', ...base, ...limits, image, '-e', '0']);
      await probeNetwork(program, base, image);
      const description = [version, ...options].join(' ');
      return { program, description, runOptions: base, limitsMemory };
    } catch (error) {
      if (error instanceof EngineMissing) throw error;
      failures.push((error as Error).message);
    }
  }
  throw new EngineMissing(`podman is here, but starts no container:\n${failures.join('\n')}`);
}

/** Networks with names need more programs than containers do. @throws EngineMissing with what to install */
async function probeNetwork(program: string, options: readonly string[], image: string): Promise<void> {
  const network = 'guildway-staging-probe';
  await command(program, ['network', 'rm', '--force', network]).catch(() => {});
  await command(program, ['network', 'create', network]);
  try {
    const script = "require('node:dns').lookup('probe', (error) => process.exit(error ? 1 : 0))";
    const args = ['--rm', '--network', network, '--network-alias', 'probe', '--hostname', 'other', ...options];
    await command(program, ['run', ...args, image, '-e', script]);
  } catch (error) {
    throw new EngineMissing(
      `podman has no network with names here. On Debian: apt-get install netavark aardvark-dns iptables nftables\n${(error as Error).message}`,
    );
  } finally {
    await command(program, ['network', 'rm', '--force', network]).catch(() => {});
  }
}

/** Hard limits that may be had without asking for more: this process's own. */
function inheritedUlimits(): string[] {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const hard = (name: string): number =>
    Number(new RegExp(`^${name} +\\S+ +(\\d+)`, 'm').exec(limits)?.[1] ?? Infinity);
  // Podman's helper processes run with no more processes than there are process ids.
  const processes = Math.min(hard('Max processes'), Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8')));
  return [['nofile', hard('Max open files')] as const, ['nproc', processes] as const].flatMap(([name, value]) =>
    Number.isFinite(value) ? ['--ulimit', `${name}=${value}:${value}`] : [],
  );
}
