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

/** The parts of a request that say whose it is. */
export interface GuardedRequest {
  /** Null: it is no request for a response, but opens a connection. */
  readonly method: string | null;
  readonly path: string;
  readonly query: string;
  readonly headers: HeaderList;
  /** The body as JSON; asked for only where {@link Guard.match} found a rule that reads it. Throws when it is none. */
  readonly json: () => unknown;
}

/** A request of this pod's guild (null: of none, and this is pod 0; or a question to all pods), or what to answer instead. */
export type Verdict =
  | { readonly kind: 'mine'; readonly guildId: string | null }
  | { readonly kind: 'misdirected' | 'invalid'; readonly response: GatewayResponse };

/** Decides whether a request belongs to this pod. It computes the guild itself and does not trust the sender. */
export class Guard {
  readonly #ordinal: number;
  readonly #topology: Topology;
  readonly #table: ReturnType<typeof createRouteTable>;

  /** @param routes the bot's, which win over the default ones but not over Discord's */
  constructor(options: { ordinal: number; topology: Topology; routes: readonly RouteRule[] }) {
    this.#ordinal = options.ordinal;
    this.#topology = options.topology;
    this.#table = createRouteTable([INTERACTIONS_ROUTE, EVENT_WEBHOOKS_ROUTE, ...options.routes, ...DEFAULT_ROUTES]);
  }

  /** The rule of a path, or null: then it has no guild. */
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

  /** Whether a guild is this pod's. @param guildId a valid snowflake */
  checkGuild(guildId: string): Verdict {
    const isMine = this.#topology.ownerOf(guildId) === this.#ordinal;
    return isMine ? { kind: 'mine', guildId } : this.#misdirected(guildId);
  }

  /** 421, with the owner that this pod believes in and the topology it computed that from. */
  #misdirected(guildId: string | null): Verdict {
    const { fingerprint, epoch } = this.#topology;
    const owner = this.#topology.ownerOf(guildId);
    const what = guildId === null ? 'a request without a guild' : `guild ${guildId}`;
    const text = `${what} belongs to gateway-${owner}, not to gateway-${this.#ordinal}, under ${fingerprint}, epoch ${epoch}`;
    const headers = [HEADER.owner, String(owner), HEADER.epoch, String(epoch)];
    return { kind: 'misdirected', response: problem(421, text, headers) };
  }
}
