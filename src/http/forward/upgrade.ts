import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import type { HeaderList } from '../../link/message.ts';
import { HEADER } from '../../link/message.ts';
import { responseHeaders } from '../headers.ts';
import type { Upstream } from './upstream.ts';

/** Joins a caller that asks for an upgrade (a websocket) with its owner; afterwards bytes pass both ways until either ends. */
export function forwardUpgrade(options: {
  upstream: Upstream;
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
  headers: HeaderList;
  timeoutMs: number;
  httpPod: string;
  requestId: string;
  onEnd: (status: number) => void;
}): void {
  const { upstream, request, socket, head, timeoutMs, onEnd } = options;
  const target = request.url as string;
  const own = [
    HEADER.pod,
    String(upstream.ordinal),
    HEADER.httpPod,
    options.httpPod,
    HEADER.requestId,
    options.requestId,
  ];
  const start = upstream.url.startsWith('https:') ? httpsRequest : httpRequest;
  const outgoing = start(new URL(upstream.url), {
    agent: false,
    method: request.method,
    path: target,
    headers: [
      ...options.headers,
      ...upstream.plainHeaders(request.method as string, target, timeoutMs),
      ...['connection', 'upgrade', 'upgrade', request.headers.upgrade as string],
    ],
  });
  const timer = setTimeout(() => outgoing.destroy(new Error('no answer in time')), timeoutMs);
  let ended = false;
  const end = (status: number): void => {
    clearTimeout(timer);
    if (ended) return;
    ended = true;
    onEnd(status);
  };
  socket.on('error', () => outgoing.destroy());
  socket.once('close', () => outgoing.destroy());

  outgoing.on('upgrade', (response, upstreamSocket, upstreamHead) => {
    clearTimeout(timer);
    socket.write(
      headBlock('101 Switching Protocols', [
        ...responseHeaders(response.rawHeaders),
        ...own,
        ...['connection', 'upgrade', 'upgrade', response.headers.upgrade ?? ''],
      ]),
    );
    if (upstreamHead.length > 0) socket.write(upstreamHead);
    if (head.length > 0) upstreamSocket.write(head);
    upstreamSocket.on('error', () => socket.destroy());
    upstreamSocket.once('close', () => {
      socket.destroy();
      end(101);
    });
    socket.once('close', () => upstreamSocket.destroy());
    socket.pipe(upstreamSocket);
    upstreamSocket.pipe(socket);
  });
  outgoing.on('response', (response) => {
    const status = response.statusCode ?? 502;
    socket.write(
      headBlock(`${status} ${response.statusMessage ?? ''}`, [
        ...responseHeaders(response.rawHeaders),
        ...own,
        // Without a length: the end of the connection is the end of the body.
        'connection',
        'close',
      ]),
    );
    response.pipe(socket);
    response.once('end', () => end(status));
  });
  outgoing.on('error', () => {
    if (socket.writable)
      socket.end(
        headBlock('503 Service Unavailable', ['connection', 'close', 'content-length', '0', 'retry-after', '1']),
      );
    end(503);
  });
  outgoing.end();
}

function headBlock(status: string, headers: HeaderList): string {
  let block = `HTTP/1.1 ${status}\r\n`;
  for (let i = 0; i < headers.length; i += 2) block += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${block}\r\n`;
}
