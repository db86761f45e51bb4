import { manifestOf } from '../bot/define-bot.ts';
import { HEADER } from '../link/message.ts';
import type { Readiness } from '../observability/admin-server.ts';
import { PATH } from '../protocol/paths.ts';
import type { Service } from '../service.ts';
import type { Incoming } from './incoming.ts';
import type { Reply } from './reply.ts';
import { json, problem } from './responses.ts';
import { startGatewayServer } from './server.ts';
import type { GatewayServiceOptions } from './service-options.ts';
import type { MisplacedStore } from './store/store.ts';
import { refuseUpgrade } from './websocket/refuse.ts';
import type { Upgrades } from './websocket/upgrades.ts';

/**
 * A pod whose rows were placed under another topology: it says what is wrong to everybody who asks, and does nothing else. It
 * neither reads nor writes a guild's rows, and holds the database's lock, so that nobody else does meanwhile.
 */
export async function startMisplaced(
  options: GatewayServiceOptions,
  ordinal: number,
  store: MisplacedStore,
): Promise<Service> {
  const { config, bot, topology, log } = options;
  const { message, facts } = store.misplacement;
  log.error({ ...facts }, message);
  const readiness: Readiness = { ready: false, reasons: [message] };
  const headers = [HEADER.pod, String(ordinal)];
  const route = async ({ target }: Incoming): Promise<Reply> => {
    if (target !== PATH.state)
      return problem(503, message, [HEADER.refusal, 'its rows were placed under another topology', ...headers]);
    return json(200, { pod: ordinal, name: config.name, ...readiness, topology: topology.toRecord() }, headers);
  };
  const upgrades: Upgrades = {
    take: (_request, socket) => refuseUpgrade(socket, problem(503, message, headers)),
    drain() {},
    close() {},
  };
  const server = await startGatewayServer({
    config,
    ordinal,
    topology,
    manifest: manifestOf(bot),
    route,
    upgrades,
    log,
  });
  return {
    port: server.port,
    readiness: () => readiness,
    adminRoutes: {},
    drain: () => server.drain(),
    async close() {
      await server.close();
      store.close();
    },
  };
}
