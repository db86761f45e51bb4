/**
 * The gateway pods behind every proxy: several HTTP servers in one process. Each serves plain HTTP and the link on one port, with the
 * same work for a request on both. The work is minimal, because the process shares its core with the load generator.
 *
 * node bench/upstream/main.ts <first port> <pods> <link secret> <routing> [ordinal of a pod that is not started]
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { pino } from 'pino';
import type { GatewayRequest, GatewayResponse } from '../../src/link/message.ts';
import { attachLinkServer } from '../../src/link/server.ts';
import type { RoutingStrategy } from '../../src/public-routing.ts';
import { topologyOf } from '../harness/routing.ts';

type Arguments = [string, string, string, RoutingStrategy, string | undefined];
const [firstPort, pods, secret, routing, away] = process.argv.slice(2) as Arguments;
const topology = topologyOf(routing, Number(pods));
/** A log that writes only warnings, so that problems are visible. */
const log = pino({ level: 'warn' });

/** The responses of one pod, built once. */
function answersOf(ordinal: number): Record<'page' | 'interaction', GatewayResponse> {
  const json = (value: unknown): GatewayResponse => {
    const body = Buffer.from(JSON.stringify(value));
    const headers = [
      'content-type',
      'application/json',
      'content-length',
      String(body.length),
      'guildway-pod',
      String(ordinal),
    ];
    return { status: 200, headers, body };
  };
  return {
    page: json({
      pod: ordinal,
      guild: { name: 'A guild of some size', members: 1234, warnings: 17, notes: 42 },
      busiest: ['general', 'announcements', 'off-topic', 'support', 'feedback'],
    }),
    interaction: json({ type: 4, data: { content: `Warned, for the third time. Kept by pod ${ordinal}` } }),
  };
}

const PIECE = Buffer.alloc(16 * 1024, 'answered ');
const PIECES = 4;

/** Reads the whole body, then sends 64 KiB in four pieces. */
function stream(request: IncomingMessage, response: ServerResponse): void {
  request.resume().once('end', () => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    for (let i = 0; i < PIECES; i++) response.write(PIECE);
    response.end();
  });
}

for (let ordinal = 0; ordinal < Number(pods); ordinal++) {
  if (String(ordinal) === away) continue;
  const answers = answersOf(ordinal);
  const answerTo = (target: string): GatewayResponse =>
    target === '/webhooks/discord' ? answers.interaction : answers.page;

  const server = createServer({ keepAliveTimeout: 0, optimizeEmptyRequests: true }, (request, response) => {
    const target = request.url as string;
    if (target.endsWith('/upload')) {
      stream(request, response);
      return;
    }
    const { status, headers, body } = answerTo(target);
    if (request.method === 'POST') request.resume();
    response.writeHead(status, headers as string[]).end(body.toString('latin1'), 'latin1');
  });
  attachLinkServer(server, {
    ordinal,
    secret,
    topology: () => topology.toRecord(),
    manifest: { name: 'bench', routes: [], commands: {}, components: {}, modals: {} },
    handler: (request: GatewayRequest) => Promise.resolve(answerTo(request.target)),
    heartbeatMs: 5_000,
    helloTimeoutMs: 5_000,
    maxInFlight: 1_000_000,
    log,
  });
  server.listen(Number(firstPort) + ordinal, '127.0.0.1');
}
