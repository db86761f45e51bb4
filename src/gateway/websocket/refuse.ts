import type { Duplex } from 'node:stream';
import { endSocket } from '../../end-socket.ts';
import type { GatewayResponse } from '../../link/message.ts';
import { STATUS_CODES } from '../../node-http.ts';
import { withoutFraming } from '../serve/response-writer.ts';

/** Answers an upgrade with an ordinary response, and closes the connection in bounded time. */
export function refuseUpgrade(socket: Duplex, { status, headers, body }: GatewayResponse): void {
  const fields = ['connection', 'close', 'content-length', String(body.length), ...withoutFraming(headers)];
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
  endSocket(socket, Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), body]));
}
