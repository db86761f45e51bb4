import { findFreePorts } from '../cluster/ports.ts';
import { FaultProxy, type ProxyMode } from './proxy.ts';

/** The kind of pod that connects to a gateway pod. */
export type Source = 'http' | 'gateway';

/** The values of GATEWAY_URL_TEMPLATE. */
export type UrlTemplates = Readonly<Record<Source, string>>;

/** The network in front of the gateway pods, with two proxies for each: one for HTTP pods and one for gateway pods. */
export class FaultNetwork {
  #ways: Readonly<Record<Source, readonly FaultProxy[]>> = { http: [], gateway: [] };

  /** Starts the proxies in front of these ports. It is the value for `network` in the local cluster's options. */
  readonly install = async (gatewayPorts: readonly number[]): Promise<UrlTemplates> => {
    const first = { http: await findFreePorts(gatewayPorts.length), gateway: 0 };
    const http = await startAll(gatewayPorts, first.http);
    first.gateway = await findFreePorts(gatewayPorts.length);
    this.#ways = { http, gateway: await startAll(gatewayPorts, first.gateway) };
    return {
      http: `http://127.0.0.1:{${first.http}+ordinal}`,
      gateway: `http://127.0.0.1:{${first.gateway}+ordinal}`,
    };
  };

  /** The proxy in front of a gateway pod. */
  to(ordinal: number, from: Source): FaultProxy {
    return this.#ways[from][ordinal] as FaultProxy;
  }

  /** Sets the mode of one gateway pod's proxies, by default of both. */
  async set(ordinal: number, mode: ProxyMode, from: readonly Source[] = ['http', 'gateway']): Promise<void> {
    for (const source of from) await this.to(ordinal, source).setMode(mode);
  }

  /** Lets all connections pass again. */
  async heal(): Promise<void> {
    for (const proxy of this.#all()) await proxy.setMode('pass');
  }

  async close(): Promise<void> {
    for (const proxy of this.#all()) await proxy.close();
  }

  #all(): FaultProxy[] {
    return [...this.#ways.http, ...this.#ways.gateway];
  }
}

function startAll(targets: readonly number[], first: number): Promise<FaultProxy[]> {
  return Promise.all(targets.map((targetPort, index) => FaultProxy.start({ targetPort, port: first + index })));
}
