import { Client, type ClientOptions, GatewayIntentBits } from 'discord.js';
import { Registry } from 'prom-client';
import { defineBot } from '../../src/bot/index.ts';
import { gatewayConfig, httpConfig, loadConfig } from '../../src/config/load.ts';
import type { BesideSettings } from '../../src/gateway/beside/index.ts';
import { startGatewayService } from '../../src/gateway/service.ts';
import { startHttpService } from '../../src/http/service.ts';
import { LinkClient } from '../../src/link/client.ts';
import type { GatewayResponse } from '../../src/link/message.ts';
import { createTopology, type Topology } from '../../src/routing/topology.ts';
import type { Service } from '../../src/service.ts';
import type { DiscordSimulator } from '../../testkit/discord/index.ts';
import { type LogLine, recordingLog } from './discord-pod.ts';
import { NOWHERE } from './gateway-pod.ts';
import { silent } from './store.ts';
import { until } from './wait.ts';

const SECRET = 'a secret of the test cluster';

export interface BesidePodOptions {
  readonly databasePath: string;
  readonly pods?: number;
  /** Default 0. */
  readonly ordinal?: number;
  readonly settings?: Partial<BesideSettings>;
  readonly env?: Readonly<Record<string, string>>;
}

export interface BesidePod extends AsyncDisposable {
  readonly service: Service;
  readonly topology: Topology;
  readonly lines: LogLine[];
  /** The port of the local gateway and REST API. */
  readonly port: number;
  readonly apiUrl: string;
  state(): { ready: boolean; waitingEvents: number; openInteractions: number; pid: number | null };
  /** Sends an interaction over the link, as an HTTP pod does. */
  interact(interaction: unknown, headers?: readonly string[]): Promise<GatewayResponse & { readonly json: unknown }>;
  /** Starts an HTTP pod in front, where the simulator sends its interactions. */
  serveHttp(): Promise<AsyncDisposable>;
  /** Ends as by a kill: nothing is drained. */
  kill(): Promise<void>;
}

/** A gateway pod in this process, beside a bot. */
export async function startBesidePod(discord: DiscordSimulator, options: BesidePodOptions): Promise<BesidePod> {
  const { pods = 1, ordinal = 0, settings } = options;
  const config = gatewayConfig(
    loadConfig({
      SERVICE_MODE: 'gateway',
      POD_NAME: `gateway-${ordinal}`,
      NUM_GATEWAY_PODS: String(pods),
      DATABASE_PATH: options.databasePath,
      LINK_SECRET: SECRET,
      PORT: '0',
      HOST: '127.0.0.1',
      GATEWAY_URL_TEMPLATE: NOWHERE,
      TOPOLOGY_CONFIRMED: `md5/${pods}`,
      DISCORD_TOKEN: discord.token,
      DISCORD_APP_ID: discord.applicationId,
      DISCORD_API_URL: discord.apiUrl,
      DISCORD_SHARDS: '1',
      IDENTIFY_INTERVAL_MS: '1',
      ...options.env,
    }),
  );
  const topology = createTopology({ strategy: 'md5', pods });
  const { log, lines } = recordingLog();
  const beside: BesideSettings = {
    ...{ command: null, port: 0, env: {}, delivery: 'at-most-once', readyMs: 60_000, web: null },
    ...settings,
  };
  const service = await startGatewayService({
    ...{ config, topology, log, beside, registry: new Registry() },
    bot: defineBot({ name: 'test' }),
  });
  const link = new LinkClient({
    ...{ url: `http://127.0.0.1:${service.port}`, ordinal, secret: SECRET, topology, name: 'test', log: silent },
    ...{ heartbeatMs: 1_000, connectTimeoutMs: 1_000, maxInFlight: 100 },
  });
  const state = () =>
    service.adminRoutes['/bot']?.(new URLSearchParams()) as ReturnType<BesidePod['state']> & { port: number };
  const { port } = state();
  const kill = async (): Promise<void> => {
    link.close();
    await service.close();
  };
  return {
    ...{ service, topology, lines, port, state, kill },
    apiUrl: `http://127.0.0.1:${port}/api`,
    async interact(interaction, headers = []) {
      const body = Buffer.from(JSON.stringify(interaction));
      const response = await link.request({ method: 'POST', target: '/webhooks/discord', headers, body }, 10_000);
      const text = response.body.toString();
      return { ...response, json: text === '' ? null : JSON.parse(text) };
    },
    async serveHttp() {
      const http = await startHttpService({
        config: httpConfig(
          loadConfig({
            SERVICE_MODE: 'http',
            PORT: '0',
            HOST: '127.0.0.1',
            LINK_SECRET: SECRET,
            NUM_GATEWAY_PODS: String(pods),
            GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${service.port}+ordinal}`,
            DISCORD_PUBLIC_KEY: discord.publicKey,
          }),
        ),
        ...{ topology, log, registry: new Registry() },
        manifest: { name: 'test', routes: [], commands: {}, components: {}, modals: {} },
      });
      discord.interactionsUrl = `http://127.0.0.1:${http.port}/webhooks/discord`;
      return { [Symbol.asyncDispose]: () => http.close() };
    },
    [Symbol.asyncDispose]: kill,
  };
}

const { Guilds, GuildMessages, MessageContent, GuildMembers } = GatewayIntentBits;

/** An unmodified discord.js client at a pod's local API, ready. */
export async function logIn(
  { apiUrl }: Pick<BesidePod, 'apiUrl'>,
  token: string,
  options: Partial<ClientOptions> = {},
  prepare: (client: Client) => void = () => {},
): Promise<Client & AsyncDisposable> {
  const client = new Client({
    intents: [Guilds, GuildMessages, MessageContent, GuildMembers],
    rest: { api: apiUrl },
    ...options,
  });
  prepare(client);
  await client.login(token);
  await until('the client is ready', () => client.isReady());
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.destroy() });
}
