import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * What becomes of connections through a proxy.
 * - `pass`: they reach the target
 * - `refuse`: nobody listens; open connections end
 * - `reset`: they are accepted and reset, open ones too
 * - `blackhole`: they are accepted and stay open, but nothing arrives in either direction; what was on its way arrives late, when
 *   the proxy passes again, as TCP would deliver it after a partition
 */
export type ProxyMode = 'pass' | 'refuse' | 'reset' | 'blackhole';

export interface ProxyOptions {
  /** The port on the loopback address that connections are passed to. */
  readonly targetPort: number;
  /** The port to listen on; 0 takes any free one. */
  readonly port: number;
}

/** A TCP proxy on the loopback address in front of one port: the network between two pods, as a test wants it. */
export class FaultProxy {
  #targetPort: number;
  /** Each client's socket with its connection to the target, which is null while the proxy is a black hole. */
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

  /** Connections that are open. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Changes the mode, for open connections too; resolves when it holds. */
  async setMode(mode: ProxyMode): Promise<void> {
    if (mode === this.#mode) return;
    const before = this.#mode;
    this.#mode = mode;
    // The listener first, so that nobody comes back before it is gone; it is closed when its connections are.
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

  /** From now on connections lead to another port, as when a pod's address has gone to another pod; open ones are reset. */
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
    // A target that refuses looks to the client like one that resets.
    upstream.on('error', () => client.resetAndDestroy());
    upstream.once('close', () => {
      // In a black hole nobody hears of the other side's end before the network is back.
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

/** Passes bytes and the end of either side on, from now on. */
function join(client: Socket, upstream: Socket): void {
  if (upstream.destroyed) {
    client.destroySoon();
    return;
  }
  client.pipe(upstream);
  upstream.pipe(client);
}
