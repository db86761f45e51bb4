import type { Duplex } from 'node:stream';

/** How long the peer may take to read the last bytes and end its side. */
const GRACE_MS = 1_000;

/**
 * Closes a connection in bounded time after `end()`. `end()` alone waits for the peer: a peer that ignores it would keep the
 * connection, one of MAX_CONNECTIONS, forever.
 */
export function closeInTime(socket: Duplex): void {
  if (socket.destroyed) return;
  const late = setTimeout(() => socket.destroy(), GRACE_MS).unref();
  socket.once('close', () => clearTimeout(late));
}

/**
 * Ends a connection and closes it in bounded time. Destroying it at once could discard the last bytes before a client that is
 * still sending has read them. Incoming bytes are discarded.
 * @param socket must have no other reader
 * @param last the final bytes to send
 */
export function endSocket(socket: Duplex, last: string | Buffer = ''): void {
  if (socket.destroyed) return;
  closeInTime(socket);
  // An 'error' event without a listener would end the process.
  socket.on('error', () => socket.destroy());
  // Unread bytes would hide the peer's end.
  socket.resume();
  if (typeof last === 'string') socket.end(last, 'latin1');
  else socket.end(last);
}
