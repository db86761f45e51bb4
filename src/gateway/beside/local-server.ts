import type { AddressInfo } from 'node:net';
import { createServer } from '../../node-http.ts';
import type { LocalGateway } from './local-gateway.ts';
import type { LocalRest } from './local-rest.ts';

/** Connections of the bot to the REST API and the gateway together. Libraries keep a few dozen open. */
const MAX_CONNECTIONS = 512;

export interface LocalServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Listens on the loopback, for the bot of this pod: one port for Discord's REST API and its gateway.
 * @throws the listening error, such as EADDRINUSE
 */
export async function startLocalServer(port: number, rest: LocalRest, gateway: LocalGateway): Promise<LocalServer> {
  const server = createServer({ keepAliveTimeout: 60_000, noDelay: true }, (request, response) =>
    rest.handle(request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    gateway.take(request, socket, head);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      gateway.close();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
