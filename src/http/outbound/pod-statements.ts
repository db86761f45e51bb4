import type { DispatchError } from '../../errors.ts';
import type { GatewayResponse, HeaderList } from '../../link/message.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import { type PodStatement, podStatement } from '../../protocol/pod-statement.ts';
import { fingerprintOf, parseTopologyText, type TopologyRecord } from '../../routing/topology.ts';
import type { HttpMetrics } from '../metrics/http-metrics.ts';
import type { Dispatcher, ResponseFlow, ResponseHandler, Upgraded } from './dispatcher.ts';
import type { ForwardedRequest } from './forwarded-request.ts';
import { podError } from './pod-error.ts';
import type { Upstream } from './upstream.ts';
import type { Upstreams } from './upstreams.ts';

export interface ObeyStatementsOptions {
  readonly upstreams: Pick<Upstreams, 'topology' | 'learn' | 'askSoon'> & {
    readonly list: readonly Pick<Upstream, 'link'>[];
  };
  readonly metrics: Pick<HttpMetrics, 'redirected'>;
  readonly log: ThrottledLog;
  /** Sends a request to the pod that it names. */
  readonly next: Dispatcher;
}

type Refusal = Extract<PodStatement, { kind: 'refused' }>;
type Redirect = Extract<PodStatement, { kind: 'redirect' }>;

/** The redirects of one attempt. */
interface Redirects {
  /** The pods that have named another pod, in order. */
  readonly by: number[];
  /** The first one: the pod and the topology that it named. */
  readonly first: { readonly owner: number; readonly theirs: string };
  /** All of them belong to a move. */
  inMove: boolean;
}

/** The most redirects of one attempt. */
const MAX_REDIRECTS = 4;

/**
 * Handles a pod's own statements about a request, as opposed to its bot's responses. A refusal becomes an error. A redirect is followed.
 *
 * A redirect that names the pod's newest topology belongs to a move: the owner under that topology names the pod that still has the guild,
 * or that pod names the new owner. This pod learns a newer topology from it. As the guild may move between two redirects, a pod is asked
 * twice at most; then the attempt fails, and the retry finds the guild where it has arrived.
 *
 * Without such a topology, or if pods have different ones of the same epoch, no pod is asked twice. Such a loop is the error
 * TOPOLOGY_MISMATCH: nothing was done, and an operator has to act.
 */
export class ObeyStatements implements Dispatcher {
  readonly #options: ObeyStatementsOptions;

  constructor(options: ObeyStatementsOptions) {
    this.#options = options;
  }

  dispatch(request: ForwardedRequest, handler: ResponseHandler): void {
    this.#options.next.dispatch(request, new StatementHandler(this.#options, request, handler));
  }
}

class StatementHandler implements ResponseHandler {
  readonly #handler: ResponseHandler;
  readonly #options: ObeyStatementsOptions;
  readonly #request: ForwardedRequest;
  /** The pod that was asked first. */
  readonly #first: number;
  /** Null without a redirect, as nearly always. */
  #redirects: Redirects | null = null;
  /** The response is a statement of the pod. The handler gets nothing of it. */
  #statement: { readonly status: number; readonly says: Refusal | Redirect } | null = null;

  constructor(options: ObeyStatementsOptions, request: ForwardedRequest, handler: ResponseHandler) {
    this.#handler = handler;
    this.#options = options;
    this.#request = request;
    this.#first = request.pod;
  }

  onResponse(response: GatewayResponse): void {
    const says = statementOf(response.status, response.headers);
    if (says === null) this.#handler.onResponse(response);
    else this.#obey(response.status, says);
  }

  onHead(status: number, headers: HeaderList, flow: ResponseFlow): void {
    // A body that has started to stream cannot be sent again. The client gets the statement, which says that nothing was done.
    const says = this.#request.init.upload === null ? statementOf(status, headers) : null;
    if (says === null) this.#handler.onHead(status, headers, flow);
    else this.#statement = { status, says };
  }

  onBody(chunk: Buffer): boolean {
    return this.#statement !== null || this.#handler.onBody(chunk);
  }

  onEnd(): void {
    const statement = this.#statement;
    this.#statement = null;
    if (statement === null) this.#handler.onEnd();
    else this.#obey(statement.status, statement.says);
  }

  onUpgrade(opened: Upgraded): void {
    this.#handler.onUpgrade?.(opened);
  }

  onError(error: DispatchError): void {
    // A retry starts at the owner again.
    this.#request.pod = this.#first;
    this.#handler.onError(error);
  }

  #obey(status: number, says: Refusal | Redirect): void {
    if (says.kind === 'redirect') this.#follow(says);
    else {
      const code = status === 503 ? 'LINK_UNAVAILABLE' : 'LINK_REFUSED';
      this.onError(podError(this.#request.pod, code, 'not-sent', says.why));
    }
  }

  #follow(redirect: Redirect): void {
    const { upstreams, metrics, log, next } = this.#options;
    const from = this.#request.pod;
    const named = redirect.owner;
    const theirs = redirect.topology === null ? null : parseTopologyText(redirect.topology);
    metrics.redirected(from);
    this.#redirects ??= { by: [], first: { owner: named, theirs: this.#theirs(redirect, theirs) }, inMove: true };
    const redirects = this.#redirects;
    redirects.by.push(from);
    if (theirs === null || upstreams.learn(theirs, from) === 'conflict') {
      redirects.inMove = false;
      const facts = { pod: from, named, ours: this.#ours, theirs: this.#theirs(redirect, theirs) };
      log.warn(facts, 'a pod says that it is not the owner of a guild');
    } else log.info({ pod: from, named, topology: redirect.topology }, 'a guild is at another pod while guilds move');
    const asked = redirects.by.filter((pod) => pod === named).length;
    const isLoop = named === from || asked > (redirects.inMove ? 1 : 0) || redirects.by.length > MAX_REDIRECTS;
    if (isLoop || upstreams.list[named] === undefined) {
      // The pod may know an older topology, with more pods.
      if (redirects.inMove) upstreams.askSoon();
      this.onError(redirects.inMove ? this.#notFound(redirects) : this.#mismatch(redirects));
    } else {
      this.#request.pod = named;
      next.dispatch(this.#request, this);
    }
  }

  #notFound({ by }: Redirects): DispatchError {
    const why = `the guild moves: pods ${by.join(', ')} were asked, and each named another one`;
    return podError(this.#first, 'LINK_UNAVAILABLE', 'not-sent', why);
  }

  #mismatch({ first }: Redirects): DispatchError {
    return podError(
      this.#first,
      'TOPOLOGY_MISMATCH',
      'not-sent',
      `it is not the owner of this guild (it names pod ${first.owner}, ${first.theirs}), but this pod computed that (${this.#ours}): NUM_GATEWAY_PODS, ROUTING or DISCORD_SHARDS differ`,
    );
  }

  get #ours(): string {
    const { fingerprint, epoch } = this.#options.upstreams.topology;
    return `${fingerprint} epoch ${epoch}`;
  }

  /** The topology of the pod that redirected, as far as it is known. */
  #theirs({ epoch }: Redirect, named: TopologyRecord | null): string {
    const known = named ?? this.#options.upstreams.list[this.#request.pod]?.link?.peer?.topology;
    const fingerprint = known === undefined ? '' : `${fingerprintOf(known)} `;
    const theirs = Number.isNaN(epoch) ? (known?.epoch ?? 'unknown') : epoch;
    return `${fingerprint}epoch ${theirs}`;
  }
}

function statementOf(status: number, headers: HeaderList): Refusal | Redirect | null {
  const statement = podStatement(status, headers);
  return statement?.kind === 'refused' || statement?.kind === 'redirect' ? statement : null;
}
