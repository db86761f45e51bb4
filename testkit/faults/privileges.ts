import { spawnSync } from 'node:child_process';

/**
 * Why mounts cannot be made here, or null where they can: small disks and name servers of a test need them, and so root on Linux.
 * The result fits the `skip` of a test.
 */
export function mountsUnavailable(): string | false {
  if (process.platform !== 'linux') return 'needs Linux mounts';
  if (process.getuid?.() !== 0) return 'needs root, for a mount';
  const { status } = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']);
  return status === 0 ? false : 'mounts are not allowed here';
}
