import { Registry } from 'prom-client';
import { type BotDefinition, defineBot } from '../../src/bot/index.ts';
import { gatewayConfig, loadConfig } from '../../src/config/load.ts';
import { startGatewayService } from '../../src/gateway/service.ts';
import { signPlainRequest } from '../../src/link/auth.ts';
import { LinkClient } from '../../src/link/client.ts';
import { type GatewayResponse, headerValue } from '../../src/link/message.ts';
import type { Logger } from '../../src/observability/log.ts';
import { createTopology } from '../../src/routing/topology.ts';
import type { Service } from '../../src/service.ts';
import { silent, temporaryFolder } from './store.ts';

/** URLs of gateway pods that refuse every connection. */
export const NOWHERE = 'http://127.0.0.1:{1+ordinal}';
const SECRET = 'a secret of the test cluster';

export interface GatewayPodOptions {
  readonly bot: Partial<BotDefinition>;
  /** Pod 0 of this many; one pod owns every guild. */
  readonly pods?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly log?: Logger;
}

export interface PlainOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The ordinal that the client intends; default this pod. */
  readonly dialled?: number;
  readonly secret?: string;
}

export interface GatewayPod extends AsyncDisposable {
  readonly url: string;
  readonly service: Service;
  /** Sends a request over the link. */
  ask(
    method: string,
    target: string,
    options?: { headers?: readonly string[]; body?: string; timeoutMs?: number },
  ): Promise<GatewayResponse & { readonly text: string; header(name: string): string | undefined }>;
  /** Sends a request over plain HTTP, with a pod's proof. */
  plain(method: string, target: string, options?: PlainOptions): Promise<Response>;
}

/** Pod 0 in this process, with an empty database and no Discord. */
export async function startGatewayPod(options: GatewayPodOptions): Promise<GatewayPod> {
  const { pods = 1, log = silent } = options;
  const folder = temporaryFolder();
  const config = gatewayConfig(
    loadConfig({
      SERVICE_MODE: 'gateway',
      POD_NAME: 'gateway-0',
      NUM_GATEWAY_PODS: String(pods),
      DATABASE_PATH: folder.file('pod'),
      LINK_SECRET: SECRET,
      PORT: '0',
      HOST: '127.0.0.1',
      // There are no other pods.
      GATEWAY_URL_TEMPLATE: NOWHERE,
      TOPOLOGY_CONFIRMED: `md5/${pods}`,
      ...options.env,
    }),
  );
  const topology = createTopology({ strategy: 'md5', pods });
  const bot = defineBot({ name: 'test', ...options.bot });
  const service = await startGatewayService({ config, bot, topology, log, registry: new Registry() });
  const url = `http://127.0.0.1:${service.port}`;
  const link = new LinkClient({
    ...{ url, ordinal: 0, secret: SECRET, topology, name: 'test', log: silent },
    ...{ heartbeatMs: 1_000, connectTimeoutMs: 1_000, maxInFlight: 100 },
  });
  return {
    url,
    service,
    async ask(method, target, { headers = [], body = '', timeoutMs = 2_000 } = {}) {
      const response = await link.request({ method, target, headers, body: Buffer.from(body) }, timeoutMs);
      return {
        ...response,
        text: response.body.toString(),
        header: (name) => headerValue(response.headers, name),
      };
    },
    plain: (method, target, { headers, body, dialled = 0, secret = SECRET } = {}) =>
      fetch(url + target, {
        method,
        headers: { 'guildway-auth': signPlainRequest(secret, dialled, method, target), ...headers },
        ...(body === undefined ? {} : { body }),
      }),
    async [Symbol.asyncDispose]() {
      link.close();
      await service.close();
      folder[Symbol.dispose]();
    },
  };
}
