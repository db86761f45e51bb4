import type { AddressInfo } from 'node:net';
import { listen } from '../../listen.ts';
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
 * @throws GuildwayError CONFIG_INVALID when the port is in use
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
  await listen(server, { port, host: '127.0.0.1', variable: 'LOCAL_DISCORD_PORT' });
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
