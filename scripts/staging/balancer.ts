/**
 * Runs inside the staging network as the Service `http-service`. It distributes TCP connections over the ready pods in turn, like
 * kube-proxy. The staging run tells it the pods. It probes their readiness itself.
 *
 * Environment: BALANCER_PORT.
 */
import { lookup } from 'node:dns/promises';
import { createServer as createControl } from 'node:http';
import { json } from 'node:stream/consumers';
import { startBalancer } from '../../testkit/cluster/balancer.ts';

const BALANCER_CONTROL_PORT = 8092;
const PROBE_EVERY_MS = 500;
/** The port of every pod. */
const PORT = 3_000;

/** A pod with its name and its address at the time it was added. */
interface Endpoint {
  readonly name: string;
  readonly address: string;
}

let endpoints: readonly Endpoint[] = [];
let ready: readonly Endpoint[] = [];

function balance(endpoints: readonly Endpoint[]): void {
  ready = endpoints;
  balancer.targets = ready.map(({ address }) => ({ host: address, port: PORT }));
}

async function isReady({ address }: Endpoint): Promise<boolean> {
  const response = await fetch(`http://${address}:9090/readyz`, { signal: AbortSignal.timeout(2_000) });
  await response.arrayBuffer();
  return response.status === 200;
}

async function probe(): Promise<void> {
  const probed = endpoints;
  const results = await Promise.all(probed.map((endpoint) => isReady(endpoint).catch(() => false)));
  // Pods that were removed in the meantime stay removed.
  balance(probed.filter((endpoint, index) => results[index] && endpoints.includes(endpoint)));
}

async function setEndpoints(names: readonly string[]): Promise<void> {
  const known = new Map(endpoints.map((endpoint) => [endpoint.name, endpoint]));
  // Removes pods at once, before any name lookup.
  balance(ready.filter(({ name }) => names.includes(name)));
  endpoints = await Promise.all(
    names.map(async (name) => known.get(name) ?? { name, address: (await lookup(name)).address }),
  );
  await probe();
}

const balancer = await startBalancer({ port: Number(process.env.BALANCER_PORT), host: '0.0.0.0' });

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
