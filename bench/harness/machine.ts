import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { canPin } from './processes.ts';

/** An anonymous description of the machine. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly virtual: boolean;
  readonly pinned: boolean;
}

export function describeMachine(): Machine {
  let virtual = false;
  try {
    virtual = /^flags.*\bhypervisor\b/m.test(readFileSync('/proc/cpuinfo', 'latin1'));
  } catch {
    // Not Linux: there is no /proc to measure from.
  }
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: /^\d+\.\d+/.exec(release())?.[0] ?? release(),
    node: process.version,
    virtual,
    pinned: canPin,
  };
}

export function machineSentence(machine: Machine): string {
  const { cpu, cores, memoryGiB, kernel, node, virtual, pinned } = machine;
  return (
    `${cores} cores of ${cpu}${virtual ? ' (a virtual machine)' : ''}, ${memoryGiB} GiB, Linux ${kernel}, Node ${node}; ` +
    (pinned
      ? 'the process under test alone on core 0, everything else on core 1.'
      : 'processes were NOT pinned to cores.')
  );
}
