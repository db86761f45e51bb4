import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * The behaviour of a proxy.
 * - `pass`: they reach the target
 * - `refuse`: new connections are refused and open ones are reset
 * - `reset`: new and open connections are reset
 * - `blackhole`: connections are accepted and stay open, but no data arrives. Data in flight arrives when the proxy passes again,
 *   as with TCP after a partition
 */
export type ProxyMode = 'pass' | 'refuse' | 'reset' | 'blackhole';

export interface ProxyOptions {
  /** The target port on the loopback address. */
  readonly targetPort: number;
  /** The port to listen on; 0 takes any free one. */
  readonly port: number;
}

/** A TCP proxy on the loopback address in front of one port. It simulates the network between two pods. */
export class FaultProxy {
  #targetPort: number;
  /** The sockets of clients with their connections to the target; null while the proxy is a black hole. */
  readonly #pairs = new Map<Socket, Socket | null>();
  #server: Server | null = null;
  #port = 0;
  #mode: ProxyMode = 'pass';

  private constructor(options: ProxyOptions) {
    this.#targetPort = options.targetPort;
  }

  /** @throws the listening error, such as EADDRINUSE */
  static async start(options: ProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    await proxy.#listen(options.port);
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  get mode(): ProxyMode {
    return this.#mode;
  }

  /** The number of open connections. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Changes the mode, including for open connections. Resolves when the mode is in effect. */
  async setMode(mode: ProxyMode): Promise<void> {
    if (mode === this.#mode) return;
    const before = this.#mode;
    this.#mode = mode;
    // Closes the listener first, so that no client reconnects. It is closed when its connections are.
    const stopped = mode === 'refuse' ? this.#stopListening() : undefined;
    if (mode === 'refuse' || mode === 'reset') this.#resetAll();
    await stopped;
    if (before === 'refuse') await this.#listen(this.#port);
    for (const [client, upstream] of this.#pairs) {
      if (mode === 'blackhole') {
        client.unpipe().pause();
        upstream?.unpipe().pause();
      } else if (upstream === null) {
        this.#forward(client);
      } else {
        join(client, upstream);
      }
    }
  }

  /** Changes the target port and resets open connections, as if the pod's address belonged to another pod. */
  retarget(targetPort: number): void {
    this.#targetPort = targetPort;
    this.#resetAll();
  }

  async close(): Promise<void> {
    const stopped = this.#stopListening();
    this.#resetAll();
    await stopped;
  }

  async #listen(port: number): Promise<void> {
    const server = createServer({ noDelay: true, pauseOnConnect: true, allowHalfOpen: true }, (client) =>
      this.#accept(client),
    );
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  #stopListening(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    return new Promise((resolve) => (server === null ? resolve() : server.close(() => resolve())));
  }

  #accept(client: Socket): void {
    client.on('error', () => client.destroy());
    if (this.#mode === 'reset') {
      client.resetAndDestroy();
      return;
    }
    this.#pairs.set(client, null);
    client.once('close', () => {
      this.#pairs.get(client)?.destroy();
      this.#pairs.delete(client);
    });
    if (this.#mode === 'pass') this.#forward(client);
  }

  #forward(client: Socket): void {
    const upstream = connect({ port: this.#targetPort, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.#pairs.set(client, upstream);
    // To the client, a target that refuses looks like one that resets.
    upstream.on('error', () => client.resetAndDestroy());
    upstream.once('close', () => {
      // In a black hole, neither side sees the other's end before the network is back.
      if (this.#mode !== 'blackhole') client.destroySoon();
    });
    if (this.#mode === 'pass') join(client, upstream);
  }

  #resetAll(): void {
    for (const [client, upstream] of this.#pairs) {
      client.resetAndDestroy();
      upstream?.resetAndDestroy();
    }
  }
}

/** Forwards bytes and the end of either side. */
function join(client: Socket, upstream: Socket): void {
  if (upstream.destroyed) {
    client.destroySoon();
    return;
  }
  client.pipe(upstream);
  upstream.pipe(client);
}
