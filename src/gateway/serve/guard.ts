import { type GatewayResponse, HEADER, type HeaderList } from '../../link/message.ts';
import { fieldValue } from '../../protocol/headers.ts';
import {
  createRouteTable,
  DEFAULT_ROUTES,
  EVENT_WEBHOOKS_ROUTE,
  guildOfRequest,
  INTERACTIONS_ROUTE,
  isAnyPods,
  type RouteMatch,
  type RouteRule,
} from '../../routing/route-table.ts';
import { GUILDLESS_POD, type Topology } from '../../routing/topology.ts';
import { problem } from '../dispatch/responses.ts';

/** The parts of a request that determine its guild. */
export interface GuardedRequest {
  /** Null: the request opens a connection. */
  readonly method: string | null;
  readonly path: string;
  readonly query: string;
  readonly headers: HeaderList;
  /** The body as JSON. Called only if {@link Guard.match} found a rule that reads the body. Throws if the body is not JSON. */
  readonly json: () => unknown;
}

/** The request is for a guild of this pod (null: it has no guild, or goes to all pods), or the pod answers with `response`. */
export type Verdict =
  | { readonly kind: 'mine'; readonly guildId: string | null }
  | { readonly kind: 'misdirected' | 'invalid'; readonly response: GatewayResponse };

/** Decides whether this pod may serve a request. It computes the owner itself, regardless of what the sender computed. */
export class Guard {
  readonly #ordinal: number;
  readonly #topology: Topology;
  readonly #table: ReturnType<typeof createRouteTable>;

  /** @param routes of the bot. They override the default routes, but not Discord's */
  constructor(options: { ordinal: number; topology: Topology; routes: readonly RouteRule[] }) {
    this.#ordinal = options.ordinal;
    this.#topology = options.topology;
    this.#table = createRouteTable([INTERACTIONS_ROUTE, EVENT_WEBHOOKS_ROUTE, ...options.routes, ...DEFAULT_ROUTES]);
  }

  /** The rule for a path. Null: the path has no guild. */
  match(path: string): RouteMatch | null {
    return this.#table.match(path);
  }

  check(match: RouteMatch | null, { method, query, headers, json }: GuardedRequest): Verdict {
    let guild: ReturnType<typeof guildOfRequest>;
    try {
      guild =
        match === null
          ? { kind: 'none' }
          : guildOfRequest(match, { query, header: (name) => fieldValue(headers, name), json });
    } catch {
      return { kind: 'invalid', response: problem(400, 'the body is not JSON') };
    }
    switch (guild.kind) {
      case 'all':
        return { kind: 'mine', guildId: null };
      case 'invalid':
        return { kind: 'invalid', response: problem(400, `${JSON.stringify(guild.value)} is not a guild id`) };
      case 'unknown':
        return { kind: 'invalid', response: problem(404, `there is no guild ${guild.value}`) };
      case 'none':
        if (method !== null && isAnyPods(match, method)) return { kind: 'mine', guildId: null };
        return this.#ordinal === GUILDLESS_POD ? { kind: 'mine', guildId: null } : this.#misdirected(null);
      case 'guild':
        return this.checkGuild(guild.guildId);
    }
  }

  /** Whether this pod owns a guild. @param guildId a valid snowflake */
  checkGuild(guildId: string): Verdict {
    const isMine = this.#topology.ownerOf(guildId) === this.#ordinal;
    return isMine ? { kind: 'mine', guildId } : this.#misdirected(guildId);
  }

  /** 421, with the owner as this pod computes it, and the topology. */
  #misdirected(guildId: string | null): Verdict {
    const { fingerprint, epoch } = this.#topology;
    const owner = this.#topology.ownerOf(guildId);
    const what = guildId === null ? 'a request without a guild' : `guild ${guildId}`;
    const text = `${what} belongs to gateway-${owner}, not to gateway-${this.#ordinal}, under ${fingerprint}, epoch ${epoch}`;
    const headers = [HEADER.owner, String(owner), HEADER.epoch, String(epoch)];
    return { kind: 'misdirected', response: problem(421, text, headers) };
  }
}
