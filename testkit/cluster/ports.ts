import { createServer } from 'node:net';

/** Below the range from which operating systems take ports for outgoing connections, so that none of those is in the way. */
const LOWEST = 20_000;
const HIGHEST = 31_000;

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/**
 * Finds `count` free ports in a row on the loopback address and returns the first. Pods that share a host need ports that are
 * known before they start, because each must know where the others are.
 */
export async function findFreePorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const first = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST - count));
    let free = true;
    for (let port = first; free && port < first + count; port++) free = await isFree(port);
    if (free) return first;
  }
  throw new Error(`found no ${count} free ports in a row between ${LOWEST} and ${HIGHEST}`);
}
