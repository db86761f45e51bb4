import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';

/**
 * The ports to choose from, in slots of eight. They lie below the range that operating systems use for outgoing connections, so
 * no outgoing connection occupies one.
 */
const FIRST_PORT = 20_000;
const SLOT = 8;
const SLOTS = 1_375;
/** The guards follow the last slot. The process that listens on a slot's guard owns the slot until it ends. */
const FIRST_GUARD = FIRST_PORT + SLOT * SLOTS;

/** Listens on a port of the loopback address. @returns null if the port is in use */
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

/** Takes all of these slots for this process, or none. */
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
 * Finds `count` consecutive free ports on the loopback address and returns the first. Pods need known ports before they start,
 * because each pod must know the addresses of the others. This function gives these ports to no other process while this
 * process runs, not even while nothing listens on them, such as between a pod's end and its restart.
 * @throws if no such ports are left
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
    // A program without slots may listen on one of these ports. The slots stay taken, because no other process could use them.
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first;
  }
  throw new Error(
    `no ${count} consecutive ports are free between ${FIRST_PORT} and ${FIRST_GUARD}: close programs that listen there`,
  );
}

/** Whether a process accepts connections on a port of the loopback address. Much cheaper than a `fetch`. */
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
