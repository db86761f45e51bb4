#!/usr/bin/env node
/**
 * One process of a bot: reads SERVICE_MODE, composes the services, starts them, and ends them in order on SIGTERM.
 * This is the only module that knows both the HTTP service and the gateway service.
 */
import { randomBytes } from 'node:crypto';
import type { ExistingBot } from './bot/existing-bot.ts';
import { manifestOf } from './bot/manifest.ts';
import { type Config, gatewayConfig, httpConfig, loadConfig } from './config/load.ts';
import { configWarnings } from './config/warnings.ts';
import { GuildwayError } from './errors.ts';
import type { BesideSettings } from './gateway/beside/index.ts';
import { loadAnyBot } from './load-bot.ts';
import { type AdminServer, startAdminServer } from './observability/admin-server.ts';
import { endOnUncaughtErrors } from './observability/crash.ts';
import { createLogger, type Logger } from './observability/log.ts';
import { createRegistry } from './observability/metrics.ts';
import { createTopology } from './routing/topology.ts';
import type { Service } from './service.ts';
import type { Duration } from './time.ts';

// DNS lookups run in libuv's thread pool, which has four threads by default: a few slow lookups would block the rest. The size
// is read on first use of the pool, so set it before anything else runs.
process.env.UV_THREADPOOL_SIZE ??= '32';

/** Starts the services of the mode in the order of their dependencies. They end in reverse order. */
async function startServices(
  config: Config,
  log: Logger,
  registry: ReturnType<typeof createRegistry>,
): Promise<Service[]> {
  const { bot, existing } = await loadAnyBot(config.bot, config.botCommand);
  const beside = existing === null ? null : besideSettings(existing, config);
  const topology = createTopology({
    strategy: config.routing,
    pods: config.numGatewayPods,
    shards: config.discordShards ?? undefined,
    epoch: config.epoch,
  });
  const manifest = manifestOf(bot);
  // Loaded on demand: the libraries of a gateway pod would cost an HTTP pod memory and startup time.
  const http = async () => (await import('./http/service.ts')).startHttpService;
  const gatewayService = async () => (await import('./gateway/service.ts')).startGatewayService;
  switch (config.serviceMode) {
    case 'http':
      return [await (await http())({ config: httpConfig(config), manifest, topology, log, registry })];
    case 'gateway':
      return [await (await gatewayService())({ config: gatewayConfig(config), bot, beside, topology, log, registry })];
    case 'monolith': {
      // Requests take the link, as with many pods, so that one process behaves like many. No other process needs the secret.
      const linkSecret = randomBytes(32).toString('hex');
      const inner = gatewayConfig({ ...config, host: '127.0.0.1', port: 0, linkSecret });
      const gateway = await (await gatewayService())({ config: inner, bot, beside, topology, log, registry });
      const gatewayUrlTemplate = `http://127.0.0.1:{${gateway.port}+ordinal}`;
      const outer = httpConfig({ ...config, linkSecret, gatewayUrlTemplate });
      return [gateway, await (await http())({ config: outer, manifest, topology, log, registry })];
    }
  }
}

/** How an existing bot runs beside this pod. @throws GuildwayError CONFIG_INVALID */
function besideSettings(
  { command, env, web, delivery, readyTimeoutMs }: ExistingBot,
  { localDiscordPort: port, botWebPort }: Config,
): BesideSettings {
  if (command === null && port === 0) {
    throw new GuildwayError(
      'CONFIG_INVALID',
      'BOT_COMMAND: not set, and LOCAL_DISCORD_PORT is 0; start the bot with `guildway run -- node index.js`, or set the port if another container runs it',
    );
  }
  const site = web === null ? null : { ...web, port: botWebPort ?? web.port };
  return { command, port, env, delivery, readyMs: readyTimeoutMs, web: site };
}

/** Drains, then closes; the process is not ready meanwhile. */
async function shutDown(drainDelayMs: Duration, services: readonly Service[], admin: AdminServer): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, drainDelayMs));
  // From the edge inwards: the HTTP service needs its gateway while it drains.
  for (const service of services.toReversed()) await service.drain();
  for (const service of services.toReversed()) await service.close();
  await admin.close();
}

async function main(): Promise<void> {
  const surplus = import.meta.main ? process.argv.slice(2) : [];
  if (surplus.length > 0) {
    throw new GuildwayError(
      'CONFIG_INVALID',
      `${surplus.join(' ')}: a pod takes no arguments. Environment variables configure it, such as PORT=3000; docs/configuration.md lists them`,
    );
  }
  const config = loadConfig(process.env);
  const log = createLogger(config);
  endOnUncaughtErrors(log);
  for (const { variable, message } of configWarnings(process.env, config)) log.warn({ variable }, message);
  const registry = createRegistry({});
  let services: readonly Service[] = [];
  let stopping = false;

  const admin = await startAdminServer({
    port: config.adminPort,
    host: config.host,
    hostNames: config.adminHosts ?? [],
    registry,
    readiness: () => {
      if (stopping) return { ready: false, reasons: ['shutting down'] };
      if (services.length === 0) return { ready: false, reasons: ['starting'] };
      const reasons = services.flatMap((service) => service.readiness().reasons);
      return { ready: services.every((service) => service.readiness().ready), reasons };
    },
    routes: (path) => services.map((service) => service.adminRoutes[path]).find((route) => route !== undefined),
    actions: (path) => services.map((service) => service.adminActions[path]).find((action) => action !== undefined),
    paths: () =>
      services.flatMap(({ adminRoutes, adminActions }) => [
        ...Object.keys(adminRoutes),
        ...Object.keys(adminActions).map((path) => `POST ${path}`),
      ]),
    log,
  });
  // Before any slow step: the first process of a container gets no signals that it has no handler for.
  const started = Promise.withResolvers<void>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      log.info({ signal }, 'shutting down');
      // Counted from the signal: a start cannot be interrupted, and waiting for it is part of this time.
      const late = setTimeout(() => {
        log.error({ drainTimeoutMs: config.drainTimeoutMs }, 'not drained in time: ending anyway');
        process.exit(1);
      }, config.drainDelayMs + config.drainTimeoutMs);
      started.promise
        .then(() => shutDown(config.drainDelayMs, services, admin))
        .then(
          () => process.exit(0),
          (error: unknown) => {
            log.fatal({ err: error }, 'shutting down failed');
            process.exit(1);
          },
        );
      late.unref();
    });
  }
  services = await startServices(config, log, registry);
  log.info(
    { port: services.at(-1)?.port, adminPort: admin.port, pod: config.ordinal },
    `${config.serviceMode} service started`,
  );
  started.resolve();
}

main().catch((error: unknown) => {
  // There is no log yet, and this is readable in a terminal.
  if (error instanceof GuildwayError) process.stderr.write(`guildway: ${error.message}\n`);
  else process.stderr.write(`guildway: ${(error as Error).stack}\n`);
  process.exit(1);
});
