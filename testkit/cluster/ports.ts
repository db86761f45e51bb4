import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';

/**
 * The ports to choose from, in slots of eight. They are below the range from which operating systems take ports for outgoing
 * connections, so that none of those is in the way.
 */
const FIRST_PORT = 20_000;
const SLOT = 8;
const SLOTS = 1_375;
/** The process that listens on a slot's guard owns the slot until it ends, so the guards follow after the last slot. */
const FIRST_GUARD = FIRST_PORT + SLOT * SLOTS;

/** Listens on a port of the loopback address; null when somebody else does. */
async function tryListen(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

async function isFree(port: number): Promise<boolean> {
  const probe = await tryListen(port);
  if (probe !== null) await close(probe);
  return probe !== null;
}

/** Takes slots for this process, or none of them. */
async function takeSlots(first: number, count: number): Promise<boolean> {
  const guards: Server[] = [];
  for (let slot = first; slot < first + count; slot++) {
    const guard = await tryListen(FIRST_GUARD + slot);
    if (guard === null) {
      await Promise.all(guards.map(close));
      return false;
    }
    guards.push(guard);
  }
  for (const guard of guards) guard.unref();
  return true;
}

/**
 * Finds `count` free ports in a row on the loopback address and returns the first. Pods that share a host need ports that are
 * known before they start, because each must know where the others are. Nobody else is given these ports while this process
 * lives, not even when nothing listens on them for a while, as between a pod's end and its next start.
 * @throws when there are none left
 */
export async function findFreePorts(count: number): Promise<number> {
  const needed = Math.ceil(count / SLOT);
  const starts = SLOTS - needed + 1;
  const offset = Math.floor(Math.random() * starts);
  for (let i = 0; i < starts; i++) {
    const slot = (offset + i) % starts;
    if (!(await takeSlots(slot, needed))) continue;
    const first = FIRST_PORT + slot * SLOT;
    const ports = Array.from({ length: count }, (_, index) => first + index);
    // A program that knows nothing of slots may listen there. They stay taken then: they are of no use to others either.
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first;
  }
  throw new Error(`no ${count} ports in a row are free between ${FIRST_PORT} and ${FIRST_GUARD}`);
}

/** Whether somebody accepts connections on a port of the loopback address. It costs a fraction of a `fetch`. */
export async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
