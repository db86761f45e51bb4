/** Podman or Docker: finds out what this machine needs for a container to start, instead of asking. */
import { readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from '../command.ts';

const STAND_INS = fileURLToPath(new URL('../../../.guildway/stand-ins/', import.meta.url));

export interface Engine {
  readonly program: 'podman' | 'docker';
  /** For the report. */
  readonly description: string;
  /** Options that every `run` needs here. */
  readonly runOptions: readonly string[];
  /** Whether memory limits are in force. */
  readonly limitsMemory: boolean;
  /** Whether a container's port can be published on this machine. If not, its own address is reached from here. */
  readonly publishesPorts: boolean;
  /** Runs the program to its end. @returns its standard output, with `merge` also its standard error */
  readonly do: (args: readonly string[], options?: { merge: true }) => Promise<string>;
}

class EngineMissing extends Error {}

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
  throw new EngineMissing('needs Podman or Docker. On Debian: apt-get install podman netavark aardvark-dns runc');
}

/**
 * Starts containers with more and more help until one runs.
 * @param image any image with Node
 */
export async function findEngine(program: 'podman' | 'docker', image: string): Promise<Engine> {
  const version = (await command(program, ['--version'])).trim();
  const start = (env?: NodeJS.ProcessEnv): Engine['do'] => {
    return (args, options) => command(program, args, { ...options, ...(env && { env }) });
  };
  if (program === 'docker') {
    return { program, description: version, runOptions: [], limitsMemory: true, publishesPorts: true, do: start() };
  }
  const { runOptions, limitsMemory } = await findRunOptions(start(), image);
  const description = [version, ...runOptions].join(' ');
  const engine: Engine = { program, description, runOptions, limitsMemory, publishesPorts: true, do: start() };
  const problem = await networkProblem(engine, image);
  if (problem === null) return engine;

  const helped: Engine = {
    ...engine,
    description: `${description}, without iptables`,
    publishesPorts: false,
    do: start({ ...process.env, PATH: `${await makeIptables()}${delimiter}${process.env.PATH}` }),
  };
  // Only root's containers have addresses that this machine reaches.
  if (process.getuid?.() === 0 && (await networkProblem(helped, image)) === null) return helped;
  throw new EngineMissing(
    `podman has no network with names here. On Debian: apt-get install netavark aardvark-dns iptables\n${problem}`,
  );
}

async function findRunOptions(
  podman: Engine['do'],
  image: string,
): Promise<{ runOptions: string[]; limitsMemory: boolean }> {
  const ulimits = inheritedUlimits();
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
    // Without systemd Podman cannot time health checks, and warns at every container.
    const runOptions = ['--no-healthcheck', ...options];
    const limits = limitsMemory ? ['--memory', '64m'] : [];
    try {
      await podman(['run', '--rm', '--network', 'none', ...runOptions, ...limits, image, '-e', '0']);
      return { runOptions, limitsMemory };
    } catch (error) {
      failures.push((error as Error).message);
    }
  }
  throw new EngineMissing(`podman is here, but starts no container:\n${failures.join('\n')}`);
}

/** Networks with names need more programs than containers do. @returns why there are none here; null when there are */
async function networkProblem(engine: Engine, image: string): Promise<string | null> {
  const network = 'guildway-staging-probe';
  const remove = (): Promise<unknown> => engine.do(['network', 'rm', '--force', network]).catch(() => {});
  await remove();
  await engine.do(['network', 'create', network]);
  try {
    const script = "require('node:dns').lookup('probe', (error) => process.exit(error ? 1 : 0))";
    const args = ['--rm', '--network', network, '--network-alias', 'probe', '--hostname', 'other'];
    await engine.do(['run', ...args, ...engine.runOptions, image, '-e', script]);
    return null;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await remove();
  }
}

/**
 * Debian 12's Podman sets up no network without iptables, though only two of its services need any: the way out, and published ports.
 * The staging run needs neither, so a machine that has none gets one that does nothing.
 * @returns the folder that it is in
 */
async function makeIptables(): Promise<string> {
  await mkdir(STAND_INS, { recursive: true });
  for (const name of ['iptables', 'ip6tables']) {
    const path = join(STAND_INS, name);
    await writeFile(path, '#!/bin/sh\n[ "$1" = --version ] && echo "iptables v1.8.9 (does nothing)"\nexit 0\n');
    await chmod(path, 0o755);
  }
  return STAND_INS;
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
