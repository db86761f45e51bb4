/**
 * Runs inside the staging network as the Service `http-service`: TCP connections go in turn to the pods that are ready, as
 * kube-proxy does it. The staging run tells it which pods there are; whether they are ready it finds out itself.
 *
 * Environment: BALANCER_PORT.
 */
import { lookup } from 'node:dns/promises';
import { createServer as createControl } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { json } from 'node:stream/consumers';

const BALANCER_CONTROL_PORT = 8092;
const PROBE_EVERY_MS = 500;

/** A pod that takes part, by name and by the address that it had when it was added. */
interface Endpoint {
  readonly name: string;
  readonly address: string;
}

let endpoints: readonly Endpoint[] = [];
let ready: readonly Endpoint[] = [];
let turn = 0;

async function isReady({ address }: Endpoint): Promise<boolean> {
  const response = await fetch(`http://${address}:9090/readyz`, { signal: AbortSignal.timeout(2_000) });
  await response.arrayBuffer();
  return response.status === 200;
}

async function probe(): Promise<void> {
  const probed = endpoints;
  const results = await Promise.all(probed.map((endpoint) => isReady(endpoint).catch(() => false)));
  // Those that were taken out meanwhile stay out.
  ready = probed.filter((endpoint, index) => results[index] && endpoints.includes(endpoint));
}

async function setEndpoints(names: readonly string[]): Promise<void> {
  const known = new Map(endpoints.map((endpoint) => [endpoint.name, endpoint]));
  // What goes away goes away now, before any name is looked up.
  ready = ready.filter(({ name }) => names.includes(name));
  endpoints = await Promise.all(
    names.map(async (name) => known.get(name) ?? { name, address: (await lookup(name)).address }),
  );
  await probe();
}

function forward(client: Socket, left: number): void {
  const endpoint = ready[turn++ % Math.max(1, ready.length)];
  if (endpoint === undefined || left === 0) {
    client.destroy();
    return;
  }
  const upstream = connect({ host: endpoint.address, port: 3000, noDelay: true });
  const next = (): void => forward(client, left - 1);
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

createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
  client.on('error', () => {});
  forward(client, 3);
}).listen(Number(process.env.BALANCER_PORT));

createControl((request, response) => {
  const answer = async (): Promise<unknown> => {
    if (request.method === 'PUT') await setEndpoints((await json(request)) as string[]);
    return { endpoints, ready };
  };
  answer().then(
    (body) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
    (error: Error) => response.writeHead(500).end(error.message),
  );
}).listen(BALANCER_CONTROL_PORT);

const timer = setInterval(() => void probe(), PROBE_EVERY_MS);
process.once('SIGTERM', () => {
  clearInterval(timer);
  process.exit(0);
});
