import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** A TCP load balancer, like a Kubernetes Service: new connections go to the targets in turn and skip those that refuse. */
export interface Balancer {
  readonly port: number;
  /** Read for each new connection. */
  targets: readonly Target[];
  close(): Promise<void>;
}

/** @throws the listening error, such as EADDRINUSE */
export async function startBalancer(options: { port: number; host: string }): Promise<Balancer> {
  const open = new Set<Socket>();
  let turn = 0;

  const server = createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
    track(client);
    // An 'error' event without a listener ends the process. The connection is closed below.
    client.on('error', () => {});
    const targets = balancer.targets;
    forward(client, targets, turn++ % Math.max(1, targets.length), targets.length);
  });

  function track(socket: Socket): void {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  }

  function forward(client: Socket, targets: readonly Target[], at: number, left: number): void {
    const target = targets[at];
    if (left === 0 || target === undefined) {
      client.destroy();
      return;
    }
    const upstream = connect({ ...target, noDelay: true });
    track(upstream);
    const next = (): void => forward(client, targets, (at + 1) % targets.length, left - 1);
    upstream.once('error', next);
    upstream.once('connect', () => {
      upstream.off('error', next);
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        from.on('error', () => to.destroy());
        from.once('close', () => to.destroySoon());
        from.pipe(to);
      }
      client.resume();
    });
  }

  const balancer: Balancer = {
    port: 0,
    targets: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return Object.assign(balancer, { port: (server.address() as AddressInfo).port });
}
