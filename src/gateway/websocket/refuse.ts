import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GatewayResponse } from '../../link/message.ts';

/** A client that does not take the answer to its upgrade is let go after this. */
const CLOSE_MS = 1_000;

/** Answers an upgrade with an ordinary response, and ends the connection in bounded time whatever the client does. */
export function refuseUpgrade(socket: Duplex, { status, headers, body }: GatewayResponse): void {
  const fields = ['connection', 'close', 'content-length', String(body.length), ...headers];
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  for (let i = 0; i < fields.length; i += 2) {
    if (i < 4 || fields[i] !== 'content-length') head += `${fields[i]}: ${fields[i + 1]}\r\n`;
  }
  socket.write(`${head}\r\n`, 'latin1');
  // Not end() alone: a client that keeps its side open would keep the connection.
  socket.end(body, () => socket.destroy());
  const late = setTimeout(() => socket.destroy(), CLOSE_MS).unref();
  socket.once('close', () => clearTimeout(late));
}
