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
import { fingerprintOf, GUILDLESS_POD, topologyText } from '../../routing/topology.ts';
import { type MonotonicTime, remaining } from '../../time.ts';
import { notServing, problem } from '../dispatch/responses.ts';
import type { GuildOwnership } from '../moving/guild-ownership.ts';

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

/**
 * - `mine`: the request is for a guild of this pod (null: it has no guild, or goes to all pods)
 * - `wait`: the guild is moving; check again after the next change of ownership
 * - `misdirected`, `invalid`, `recovering`: the pod answers with `response`
 */
export type Verdict =
  | { readonly kind: 'mine'; readonly guildId: string | null }
  | { readonly kind: 'wait' }
  | { readonly kind: 'misdirected' | 'invalid' | 'recovering'; readonly response: GatewayResponse };

/** The part of a request's time that is reserved for sending it to another pod, or for the deferred response. */
const RESERVE_MS = 150;
/** How long a request waits for a guild at most. Longer, and it is safer with a stand-in. */
const LONGEST_WAIT_MS = 5_000;

/** Decides whether this pod may serve a request. It computes the owner itself, regardless of what the sender computed. */
export class Guard {
  readonly #ordinal: number;
  readonly #ownership: GuildOwnership;
  readonly #table: ReturnType<typeof createRouteTable>;

  /** @param routes of the bot. They override the default routes, but not Discord's */
  constructor(options: { ownership: GuildOwnership; routes: readonly RouteRule[] }) {
    this.#ordinal = options.ownership.ordinal;
    this.#ownership = options.ownership;
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
    const decision = this.#ownership.decide(guildId);
    switch (decision.kind) {
      case 'serve':
        return { kind: 'mine', guildId };
      case 'wait':
        return WAIT;
      case 'redirect':
        return this.#misdirected(guildId);
      case 'recovering':
        return RECOVERING;
    }
  }

  /** Repeats a check while the guild of the request is moving, within the request's time. */
  async settled(check: () => Verdict, deadlineAt: MonotonicTime): Promise<Exclude<Verdict, { kind: 'wait' }>> {
    let verdict = check();
    if (verdict.kind !== 'wait') return verdict;
    const patience = Promise.withResolvers<void>();
    const waitMs = Math.min(LONGEST_WAIT_MS, Math.max(0, remaining(deadlineAt) - RESERVE_MS));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      patience.resolve();
    }, waitMs);
    while (verdict.kind === 'wait' && !late) {
      await Promise.race([this.#ownership.changed, patience.promise]);
      verdict = check();
    }
    clearTimeout(timer);
    return verdict.kind === 'wait' ? MOVING : verdict;
  }

  /** 421, with the owner as far as this pod knows, and the newest topology. */
  #misdirected(guildId: string | null): Verdict {
    const topology = this.#ownership.newest;
    const { epoch } = topology;
    const fingerprint = fingerprintOf(topology);
    const owner = this.#ownership.ownerOf(guildId);
    const what = guildId === null ? 'a request without a guild' : `guild ${guildId}`;
    const text = `${what} belongs to gateway-${owner}, not to gateway-${this.#ordinal}, under ${fingerprint}, epoch ${epoch}`;
    const headers = [HEADER.owner, String(owner), HEADER.epoch, String(epoch), HEADER.topology, topologyText(topology)];
    return { kind: 'misdirected', response: problem(421, text, headers) };
  }
}

const WAIT: Verdict = { kind: 'wait' };
const MOVING = { kind: 'recovering', response: notServing('the guild is moving to another pod') } as const;
const RECOVERING: Verdict = {
  kind: 'recovering',
  response: notServing('the volume of this pod is new or was restored: it asks the other pods which guilds moved'),
};
