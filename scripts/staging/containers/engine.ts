/** Podman or Docker: detects the options that containers need on this machine. */
import { readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from '../command.ts';

const STAND_INS = fileURLToPath(new URL('../../../.guildway/stand-ins/', import.meta.url));

export interface Engine {
  readonly program: 'podman' | 'docker';
  /** A description for the report. */
  readonly description: string;
  /** Options that every `run` needs on this machine. */
  readonly runOptions: readonly string[];
  /** Whether memory limits work. */
  readonly limitsMemory: boolean;
  /** Whether ports can be published. If not, this machine reaches the container's own address. */
  readonly publishesPorts: boolean;
  /** Runs the program to completion. @returns its standard output, with `merge` also its standard error */
  readonly do: (args: readonly string[], options?: { merge: true }) => Promise<string>;
}

class EngineMissing extends Error {}

/** Finds Podman or Docker. @throws EngineMissing that names the packages to install */
export async function findProgram(): Promise<'podman' | 'docker'> {
  for (const program of ['podman', 'docker'] as const) {
    try {
      // Not `--version`: the command is useless without its daemon.
      await command(program, ['info']);
      return program;
    } catch {
      // Try the next one.
    }
  }
  throw new EngineMissing('needs Podman or Docker. On Debian: apt-get install podman netavark aardvark-dns runc');
}

/**
 * Tries to start a container with more and more options until one runs.
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
  // This machine reaches only addresses of root's containers.
  if (process.getuid?.() === 0 && (await networkProblem(helped, image)) === null) return helped;
  throw new EngineMissing(
    `podman cannot create a network with name resolution. On Debian: apt-get install netavark aardvark-dns iptables\n${problem}`,
  );
}

async function findRunOptions(
  podman: Engine['do'],
  image: string,
): Promise<{ runOptions: string[]; limitsMemory: boolean }> {
  const ulimits = inheritedUlimits();
  // Each line is for a kind of machine seen in practice.
  const attempts: { options: string[]; limitsMemory: boolean }[] = [
    { options: [], limitsMemory: true },
    // Podman asks for high hard limits, and this user cannot raise them, as in some virtual machines and containers.
    { options: ulimits, limitsMemory: true },
    // crun is installed but does not work.
    { options: ['--runtime', 'runc', ...ulimits], limitsMemory: true },
    // cgroups are not writable.
    { options: ['--cgroups', 'disabled', ...ulimits], limitsMemory: false },
    { options: ['--runtime', 'runc', '--cgroups', 'disabled', ...ulimits], limitsMemory: false },
  ];
  const failures: string[] = [];
  for (const { options, limitsMemory } of attempts) {
    // Without systemd, Podman cannot run health checks and warns for every container.
    const runOptions = ['--no-healthcheck', ...options];
    const limits = limitsMemory ? ['--memory', '64m'] : [];
    try {
      await podman(['run', '--rm', '--network', 'none', ...runOptions, ...limits, image, '-e', '0']);
      return { runOptions, limitsMemory };
    } catch (error) {
      failures.push((error as Error).message);
    }
  }
  throw new EngineMissing(`podman is installed, but cannot start a container:\n${failures.join('\n')}`);
}

/** Networks with name resolution need further programs. @returns the reason why they do not work, or null */
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
 * Debian 12's Podman needs iptables for any network, although only outgoing connections and published ports use it. The staging run
 * needs neither, so a machine without iptables gets a dummy.
 * @returns the folder of the dummy
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

/** The hard limits of this process, which containers can get without further rights. */
function inheritedUlimits(): string[] {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const hard = (name: string): number =>
    Number(new RegExp(`^${name} +\\S+ +(\\d+)`, 'm').exec(limits)?.[1] ?? Infinity);
  // Podman's helpers fail with a limit above the number of process ids.
  const processes = Math.min(hard('Max processes'), Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8')));
  return [['nofile', hard('Max open files')] as const, ['nproc', processes] as const].flatMap(([name, value]) =>
    Number.isFinite(value) ? ['--ulimit', `${name}=${value}:${value}`] : [],
  );
}
