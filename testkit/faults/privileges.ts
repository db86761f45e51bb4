import { spawnSync } from 'node:child_process';

/**
 * Whether tests must skip small disks and name servers, which need mounts and so root on Linux.
 * @returns the reason as a value for a test's `skip`, or false
 */
export function mountsUnavailable(): string | false {
  if (process.platform !== 'linux') return 'needs Linux mounts';
  if (process.getuid?.() !== 0) return 'needs root, for a mount';
  const { status } = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
  return status === 0 ? false : 'mounts are not allowed here';
}
