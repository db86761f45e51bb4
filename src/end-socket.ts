import type { Duplex } from 'node:stream';

/** The other side gets this long to read the last bytes and to end its side, too. */
const GRACE_MS = 1_000;

/**
 * Closes a connection whose end has been written in bounded time, whatever its other side does. `end()` alone waits for that: a side
 * that ignores it keeps the connection, and with it one of MAX_CONNECTIONS, for ever.
 */
export function closeInTime(socket: Duplex): void {
  if (socket.destroyed) return;
  const late = setTimeout(() => socket.destroy(), GRACE_MS).unref();
  socket.once('close', () => clearTimeout(late));
}

/**
 * Ends a connection, and closes it in bounded time. It is not destroyed at once, as that would take the last bytes away from a client
 * that is still sending; what it sends is thrown away.
 * @param socket nobody else reads from it any more
 * @param last what is still to be sent
 */
export function endSocket(socket: Duplex, last: string | Buffer = ''): void {
  if (socket.destroyed) return;
  closeInTime(socket);
  // An 'error' without a listener would end the process.
  socket.on('error', () => socket.destroy());
  // Unread, it would hide that the other side has ended.
  socket.resume();
  if (typeof last === 'string') socket.end(last, 'latin1');
  else socket.end(last);
}
