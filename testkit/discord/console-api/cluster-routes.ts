import type { DiscordSimulator } from '../simulator.ts';
import { fieldsOf } from './fields.ts';
import type { ConsoleRoutes } from './routes.ts';

/** Routes to the gateway pods behind the bot, if the simulator knows them. */
export function clusterRoutes(simulator: DiscordSimulator): ConsoleRoutes {
  return {
    'GET /cluster': () => simulator.cluster?.view() ?? null,
    'POST /cluster': ({ body }) => {
      const { cluster } = simulator;
      if (cluster === null)
        throw new TypeError('the simulator does not know the pods of this bot: start them with npm start');
      const gatewayPods = fieldsOf(body).number('gatewayPods');
      if (gatewayPods === undefined) throw new TypeError('gatewayPods must be a number');
      cluster.resize(gatewayPods);
      return cluster.view();
    },
  };
}
