/**
 * Runs inside the cluster and stands in for the outside world: the simulator is Discord, and its users use the bot and open its
 * pages at a steady rate. The staging run controls it over HTTP and reads the history from it.
 *
 * Environment: TARGET_URL, the URL of the HTTP service.
 */
import { lookup } from 'node:dns/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { startDiscordSimulator } from '../../testkit/discord/index.ts';
import { Load } from './load.ts';

const DISCORD_PORT = 8090;
const CONTROL_PORT = 8091;
const GUILDS = 60;

// A Service's address does not change. A single lookup avoids false failures from Podman's name server, which stalls while
// containers start and stop.
const target = new URL(process.env.TARGET_URL ?? 'http://http-service');
target.hostname = (await lookup(target.hostname)).address;
const targetUrl = target.origin;
const simulator = await startDiscordSimulator({
  port: DISCORD_PORT,
  host: '0.0.0.0',
  guilds: GUILDS,
  interactionsUrl: `${targetUrl}/webhooks/discord`,
  // Occasional wrong signatures, as from Discord.
  probeEvery: 200,
});
const load = new Load(simulator, targetUrl);

const routes: Record<string, (request: IncomingMessage) => unknown> = {
  'GET /healthz': () => ({ ok: true }),
  'GET /now': () => ({ now: performance.now() }),
  'GET /guilds': () => Array.from({ length: simulator.guilds.size }, (_, index) => simulator.guilds.at(index).id),
  'GET /stats': () => ({ ...simulator.stats(), violations: simulator.violations.list() }),
  'GET /samples': () => load.samples,
  'PUT /rate': async (request) => {
    const { interactions, pages } = (await json(request)) as { interactions: number; pages: number };
    load.setRate(interactions, pages);
    return { interactions, pages };
  },
  'POST /settle': async (request) => {
    const { timeoutMs } = (await json(request)) as { timeoutMs: number };
    return { unsettled: await load.settle(timeoutMs) };
  },
};

const control = createServer((request, response) => {
  const route = routes[`${request.method} ${request.url}`];
  if (route === undefined) {
    response.writeHead(404).end();
    return;
  }
  Promise.try(route, request).then(
    (answer) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer)),
    (error: Error) => response.writeHead(500).end(error.message),
  );
});
control.listen(CONTROL_PORT, '0.0.0.0');

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    control.close();
    void simulator.stop().then(() => process.exit(0));
  });
}
