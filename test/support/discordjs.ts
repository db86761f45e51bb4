import { Client, type ClientOptions, Events, GatewayIntentBits } from 'discord.js';
import type { DiscordSimulator } from '../../testkit/discord/index.ts';

const ALL_INTENTS = Object.values(GatewayIntentBits).reduce<number>((all, bit) => all | Number(bit) || all, 0);

/** A discord.js client that is logged in to the simulator and ready. Disposing it logs out. */
export async function loginClient(
  simulator: DiscordSimulator,
  options: Partial<ClientOptions> = {},
): Promise<Client<true> & AsyncDisposable> {
  const client = new Client({ intents: ALL_INTENTS, rest: { api: simulator.apiUrl }, ...options });
  const ready = new Promise((resolve) => client.once(Events.ClientReady, resolve));
  await client.login(simulator.token);
  await ready;
  return Object.assign(client as Client<true>, { [Symbol.asyncDispose]: () => client.destroy() });
}

/** Resolves with the arguments of the next event that fits. */
export function heard<T extends unknown[]>(
  client: Client,
  event: string,
  fits: (...args: T) => boolean = () => true,
): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<T>();
  const listener = (...args: T): void => {
    if (!fits(...args)) return;
    client.off(event, listener as never);
    resolve(args);
  };
  client.on(event, listener as never);
  return promise;
}
