/** The two ends of a link over real sockets, and the frames of a broken or hostile peer. */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pino } from 'pino';
import { LinkClient, type LinkClientOptions } from '../../src/link/client.ts';
import { FRAME, FRAME_HEADER } from '../../src/link/frames.ts';
import { LINK_HEADER, LINK_PATH, newNonce, proof } from '../../src/link/handshake.ts';
import type { GatewayHandler, GatewayRequest } from '../../src/link/message.ts';
import { attachLinkServer, type LinkServer, type LinkServerOptions } from '../../src/link/server.ts';
import { createTopology } from '../../src/routing/topology.ts';

const log = pino({ level: 'silent' });

export const secret = 'a secret of the test cluster';

export const topology = createTopology({ strategy: 'md5', pods: 3 });

export const manifest = { name: 'test', routes: [], commands: {}, components: {}, modals: {} };

export const empty = Buffer.alloc(0);

export interface Pod extends AsyncDisposable {
  readonly url: string;
  readonly http: Server;
  readonly link: LinkServer;
}

export async function startPod(
  handler: GatewayHandler,
  overrides: Partial<LinkServerOptions> & { port?: number } = {},
): Promise<Pod> {
  const http = createServer((_, response) => response.writeHead(404).end());
  const link = attachLinkServer(http, {
    ordinal: 1,
    secret,
    topology: () => topology.toRecord(),
    manifest,
    handler,
    heartbeatMs: 1_000,
    helloTimeoutMs: 1_000,
    maxInFlight: 1_000,
    log,
    ...overrides,
  });
  await new Promise<void>((resolve) => http.listen(overrides.port ?? 0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    http,
    link,
    async [Symbol.asyncDispose]() {
      link.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

export function startClient(url: string, overrides: Partial<LinkClientOptions> = {}): LinkClient & Disposable {
  const client = new LinkClient({
    url,
    ordinal: 1,
    secret,
    topology,
    name: 'http-test',
    heartbeatMs: 1_000,
    connectTimeoutMs: 2_000,
    maxInFlight: 1_000,
    log,
    ...overrides,
  });
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

export const get = (target: string, headers: string[] = []): GatewayRequest => ({
  method: 'GET',
  target,
  headers,
  body: empty,
});

export const echo: GatewayHandler = async (request) => ({
  status: 200,
  headers: ['x-method', request.method, 'x-target', request.target, ...request.headers],
  body: request.body,
});

export function frame(type: number, id: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER + payload.length);
  bytes.writeUInt32BE(bytes.length - 4, 0);
  bytes[4] = type;
  bytes.writeUInt32BE(id, 5);
  payload.copy(bytes, FRAME_HEADER);
  return bytes;
}

export function requestPayload(head: string, body = empty): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt32BE(1_000, 0);
  fixed.writeUInt32BE(head.length, 4);
  fixed.writeUInt16BE(head.split('\0').length, 8);
  return Buffer.concat([fixed, Buffer.from(head, 'latin1'), body]);
}

export function upgrade(url: string, headers: Record<string, string>): Promise<Socket & { nonce: string }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => {});
  const lines = Object.entries({ [LINK_HEADER.version]: '1', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  socket.write(
    `GET ${LINK_PATH} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: guildway-link\r\n${lines.join('')}\r\n`,
  );
  return new Promise((resolve, reject) => {
    socket.once('data', (chunk) => {
      const answer = chunk.toString('latin1');
      const nonce = new RegExp(`${LINK_HEADER.nonce}: ([0-9a-f]+)`).exec(answer)?.[1];
      if (answer.startsWith('HTTP/1.1 101') && nonce !== undefined) resolve(Object.assign(socket, { nonce }));
      else reject(new Error(answer));
    });
  });
}

export async function authenticated(pod: Pod): Promise<Socket> {
  const nonce = newNonce();
  const socket = await upgrade(pod.url, { [LINK_HEADER.ordinal]: '1', [LINK_HEADER.nonce]: nonce });
  const hello = { proof: proof(secret, 'client', 1, nonce, socket.nonce), name: 'raw', topology: topology.toRecord() };
  const answered = new Promise((resolve) => socket.once('data', resolve));
  socket.write(frame(FRAME.hello, 0, Buffer.from(JSON.stringify(hello))));
  await answered;
  return socket;
}

export function closed(socket: Socket): Promise<void> {
  socket.resume();
  return new Promise((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve())));
}

/**
 * A server with the secret that is not a Guildway pod: it completes the handshake, sends HELLO if `hello`, and calls `then`.
 * @param answer added to its 101
 */
export async function startStranger(
  then: (socket: Duplex) => void,
  { hello = true, answer = '' }: { hello?: boolean; answer?: string } = {},
): Promise<{ url: string } & AsyncDisposable> {
  const sockets = new Set<Duplex>();
  const http = createServer();
  http.on('upgrade', (request, socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const [client, server] = [request.headers[LINK_HEADER.nonce] as string, newNonce()];
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: guildway-link\r\n${answer}` +
        `${LINK_HEADER.nonce}: ${server}\r\n${LINK_HEADER.proof}: ${proof(secret, 'server', 1, client, server)}\r\n\r\n`,
    );
    const says = { ordinal: 1, topology: topology.toRecord(), manifest, heartbeatMs: 60_000 };
    if (hello) socket.write(frame(FRAME.hello, 0, Buffer.from(JSON.stringify(says))));
    then(socket);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}
