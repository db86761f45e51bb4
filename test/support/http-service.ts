import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Logger, pino } from 'pino';
import type { BotManifest } from '../../src/bot/types.ts';
import { loadConfig } from '../../src/config/load.ts';
import { startHttpService } from '../../src/http/service.ts';
import type { GatewayRequest, GatewayResponse, RequestContext } from '../../src/link/message.ts';
import { attachLinkServer } from '../../src/link/server.ts';
import { createRegistry, type Registry } from '../../src/observability/metrics.ts';
import { createTopology, type TopologyRecord } from '../../src/routing/topology.ts';
import type { Service } from '../../src/service.ts';
import { findFreePorts } from '../../testkit/cluster/ports.ts';

const pair = generateKeyPairSync('ed25519');
const publicKey = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');

/** The headers with which Discord would have sent this body just now. */
export function signedHeaders(
  body: string | Buffer,
  at = String(Math.floor(Date.now() / 1_000)),
): Record<string, string> {
  const signature = sign(null, Buffer.concat([Buffer.from(at), Buffer.from(body)]), pair.privateKey);
  return {
    'content-type': 'application/json',
    'x-signature-ed25519': signature.toString('hex'),
    'x-signature-timestamp': at,
  };
}

export interface HttpUnderTest extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly service: Service;
  readonly registry: Registry;
  readonly linkSecret: string;
  /** The gateway pods' ports by ordinal, with or without a listener. */
  readonly gatewayPorts: readonly number[];
}

/**
 * An HTTP service in this process, in front of `gatewayPods` ports on which the test starts its own servers.
 * @param options.mostPods as many ports are free; default `gatewayPods`
 */
export async function startHttp(
  options: {
    gatewayPods?: number;
    mostPods?: number;
    env?: Record<string, string>;
    manifest?: Partial<BotManifest>;
    log?: Logger;
  } = {},
): Promise<HttpUnderTest> {
  const pods = options.gatewayPods ?? 3;
  const ports = options.mostPods ?? pods;
  const first = await findFreePorts(ports);
  const config = loadConfig({
    SERVICE_MODE: 'http',
    PORT: '0',
    HOST: '127.0.0.1',
    POD_NAME: 'http-test',
    NUM_GATEWAY_PODS: String(pods),
    GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${first}+ordinal}`,
    DISCORD_PUBLIC_KEY: publicKey,
    DISCORD_APP_ID: '1',
    ...options.env,
  });
  const registry = createRegistry({});
  const service = await startHttpService({
    config,
    manifest: { name: 'test', routes: [], commands: {}, components: {}, modals: {}, ...options.manifest },
    topology: createTopology({ strategy: 'md5', pods }),
    log: options.log ?? pino({ level: 'silent' }),
    registry,
  });
  return {
    url: `http://127.0.0.1:${service.port}`,
    port: service.port,
    service,
    registry,
    linkSecret: config.linkSecret ?? '',
    gatewayPorts: Array.from({ length: ports }, (_, ordinal) => first + ordinal),
    async [Symbol.asyncDispose]() {
      await service.close();
      void service.drain();
    },
  };
}

/** A gateway pod in the form of a plain HTTP server without Guildway. */
export async function startPlainPod(port: number, listener: RequestListener): Promise<Server & AsyncDisposable> {
  const server = createServer(listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return Object.assign(server, {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** A gateway pod with the real link and the test's responses. */
export async function startLinkPod(
  http: HttpUnderTest,
  ordinal: number,
  answer: (request: GatewayRequest, context: RequestContext) => GatewayResponse | Promise<GatewayResponse>,
  topology: TopologyRecord = { strategy: 'md5', pods: http.gatewayPorts.length, shards: null, epoch: 1 },
): Promise<AsyncDisposable> {
  const server = createServer();
  const link = attachLinkServer(server, {
    ordinal,
    secret: http.linkSecret,
    manifest: { name: 'test', routes: [], commands: {}, components: {}, modals: {} },
    heartbeatMs: 5_000,
    helloTimeoutMs: 1_000,
    maxInFlight: 1_000,
    log: pino({ level: 'silent' }),
    topology: () => topology,
    handler: async (request, context) => answer(request, context),
  });
  await new Promise<void>((resolve) => server.listen(http.gatewayPorts[ordinal], '127.0.0.1', resolve));
  return {
    async [Symbol.asyncDispose]() {
      link.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const portOf = (server: Server): number => (server.address() as AddressInfo).port;
