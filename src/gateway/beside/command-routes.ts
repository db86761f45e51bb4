import { setTimeout as delay } from 'node:timers/promises';
import { inMs, remaining } from '../../time.ts';
import type { DiscordProxy, ProxiedRequest, WholeResponse } from './discord-proxy.ts';

const ROUTE = /^\/applications\/\d+(?:\/guilds\/(\d+))?\/commands(?:\/(\d+))?$/;

/** How long a pod waits until the pod that registers the commands has done so, and between two looks. */
const PATIENCE_MS = 5_000;
const LOOK_MS = 500;

export interface CommandRoutesOptions {
  readonly proxy: Pick<DiscordProxy, 'fetch'>;
  /** Whether this pod registers commands: those of a guild, or global ones (null). */
  readonly registers: (guildId: string | null) => boolean;
}

interface Named {
  readonly name?: unknown;
  readonly type?: unknown;
}

/**
 * The registration of commands. Every pod's bot registers them, and one pod is enough: global commands by pod 0, those of a guild
 * by its owner. The other pods read Discord's answer back.
 */
export class CommandRoutes {
  readonly #options: CommandRoutesOptions;

  constructor(options: CommandRoutesOptions) {
    this.#options = options;
  }

  /** Whether this pod must not send the request. @param path without the version and the query */
  isOthers(method: string, path: string): boolean {
    if (method === 'GET') return false;
    const match = ROUTE.exec(path);
    return match !== null && !this.#options.registers(match[1] ?? null);
  }

  /** Discord's answer to the same request of the pod that registers commands. Null: unknown; the request may be sent after all. */
  async readBack(request: ProxiedRequest, path: string): Promise<WholeResponse | null> {
    const { method } = request;
    const id = ROUTE.exec(path)?.[2];
    if (method === 'DELETE') return { status: 204, headers: [], body: Buffer.alloc(0) };
    const headers = request.headers.filter((_, i) => request.headers[i - (i % 2)] === 'authorization');
    const [target = ''] = request.target.split('?', 1);
    const read = (query: string): Promise<WholeResponse> =>
      this.#options.proxy.fetch({ method: 'GET', target: target + query, headers, body: null });
    if (id !== undefined) return read('');
    const wanted = JSON.parse(String(request.body)) as Named | readonly Named[];
    const end = inMs(PATIENCE_MS);
    for (;;) {
      const response = await read('?with_localizations=true');
      if (response.status !== 200) return response;
      const listed = JSON.parse(response.body.toString()) as readonly Named[];
      if (Array.isArray(wanted)) {
        const isThere = new Set(listed.map(keyOf)).symmetricDifference(new Set(wanted.map(keyOf))).size === 0;
        if (isThere || remaining(end) < 0) return response;
      } else {
        const found = listed.find((command) => keyOf(command) === keyOf(wanted as Named));
        if (found !== undefined) return { ...response, headers: JSON_TYPE, body: Buffer.from(JSON.stringify(found)) };
        if (remaining(end) < 0) return null;
      }
      await delay(LOOK_MS);
    }
  }
}

const JSON_TYPE = ['content-type', 'application/json'];
const keyOf = ({ name, type }: Named): string => `${String(type ?? 1)}:${String(name)}`;
