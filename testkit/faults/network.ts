import { findFreePorts } from '../cluster/ports.ts';
import { FaultProxy, type ProxyMode } from './proxy.ts';

/** Who opens a connection to a gateway pod. */
export type Source = 'http' | 'gateway';

/** What the pods have as GATEWAY_URL_TEMPLATE. */
export type UrlTemplates = Readonly<Record<Source, string>>;

/** The network in front of the gateway pods: for each of them one way for HTTP pods and one for gateway pods. */
export class FaultNetwork {
  #ways: Readonly<Record<Source, readonly FaultProxy[]>> = { http: [], gateway: [] };

  /** Starts the proxies in front of these ports; the `network` of the local cluster's options. */
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

  /** The way to a gateway pod. */
  to(ordinal: number, from: Source): FaultProxy {
    return this.#ways[from][ordinal] as FaultProxy;
  }

  /** Changes the ways to one gateway pod, from all sources unless one is named. */
  async set(ordinal: number, mode: ProxyMode, from: readonly Source[] = ['http', 'gateway']): Promise<void> {
    for (const source of from) await this.to(ordinal, source).setMode(mode);
  }

  /** Everything passes again. */
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
