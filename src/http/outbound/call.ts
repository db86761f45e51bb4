import type { GuildwayError } from '../../errors.ts';
import type { LinkClient } from '../../link/client.ts';
import type { GatewayRequest, GatewayResponse, HeaderList } from '../../link/message.ts';
import { type PodStatement, podStatement } from '../../protocol/pod-statement.ts';
import type { Duration, MonotonicTime } from '../../time.ts';
import type { Repeatable } from './retry.ts';
import type { Upstream } from './upstream.ts';

/** A pod says that another one is the owner. */
export type Redirect = Extract<PodStatement, { kind: 'redirect' }>;

/**
 * What a pod made of one attempt: it gave a whole response, or one that has been passed on while it streamed (null), or it says
 * that another pod is the owner.
 */
export type Outcome = { readonly done: GatewayResponse | null } | { readonly redirect: Redirect };

/** What a response means for the attempt. @throws GuildwayError for a pod that says that it has done nothing */
export function outcomeOf(pod: Upstream, response: GatewayResponse): Outcome {
  const statement = podStatement(response.status, response.headers);
  if (statement?.kind === 'refused') throw pod.refusal(response.status, statement.why);
  return statement?.kind === 'redirect' ? { redirect: statement } : { done: response };
}

/** A request to a gateway pod beside its guild and path: content, deadline, and callbacks for its outcome. */
export interface RouteInit {
  readonly method: string;
  /** Without those of one hop; names in lower case. */
  readonly headers: HeaderList;
  /** At most MAX_LINK_BODY bytes, or sent by {@link overPlain} only. */
  readonly body: Buffer;
  /** When the response must have begun. */
  readonly deadlineAt: MonotonicTime;
  /** Until when attempts may begin. Later than this only what is under way is waited for. */
  readonly attemptsUntil: MonotonicTime;
  /** Any pod may answer: another one is asked where one has failed. */
  readonly anyPod: boolean;
  readonly repeatable: Repeatable;
  /** Request or response stream: over plain HTTP even where there is a link. */
  readonly streams: boolean;
  /**
   * Makes one attempt over plain HTTP.
   * @throws DispatchError
   */
  overPlain(pod: Upstream, path: string, timeoutMs: Duration): Promise<Outcome>;
  /** The owner has answered. A null response has been passed on already. */
  onAnswer(pod: number, response: GatewayResponse | null): void;
  /** No answer. */
  onFailure(error: GuildwayError): void;
}

/** One request on its way. Either `onAnswer` or `onFailure` of its init is called, once. */
export class Call implements GatewayRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;
  readonly body: Buffer;
  readonly init: RouteInit;
  cancelled = false;
  /** The request of a link that it is at present, if it is one. */
  link: LinkClient | null = null;
  linkId = 0;

  constructor(path: string, init: RouteInit) {
    this.method = init.method;
    this.target = path;
    this.headers = init.headers;
    this.body = init.body;
    this.init = init;
  }

  /** The caller has gone away. What passes over plain HTTP notices by itself. */
  cancel(): void {
    this.cancelled = true;
    this.link?.cancel(this.linkId);
  }
}
