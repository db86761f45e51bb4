import type { DispatchError } from '../../errors.ts';
import type { GatewayResponse, HeaderList } from '../../link/message.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import { type PodStatement, podStatement } from '../../protocol/pod-statement.ts';
import type { Topology } from '../../routing/topology.ts';
import type { Dispatcher, ResponseFlow, ResponseHandler, Upgraded } from './dispatcher.ts';
import type { ForwardedRequest } from './forwarded-request.ts';
import { podError } from './pod-error.ts';
import type { Upstream } from './upstream.ts';

export interface ObeyStatementsOptions {
  /** By ordinal. */
  readonly pods: readonly Pick<Upstream, 'link'>[];
  readonly topology: Topology;
  readonly log: ThrottledLog;
  /** Sends a request to the pod that it names. */
  readonly next: Dispatcher;
}

type Refusal = Extract<PodStatement, { kind: 'refused' }>;
type Redirect = Extract<PodStatement, { kind: 'redirect' }>;

/**
 * Handles a pod's own statements about a request, as opposed to its bot's responses. A refusal becomes an error. A redirect is followed
 * once. Otherwise two pods that name each other would cause an endless loop. A second redirect is the error TOPOLOGY_MISMATCH: nothing
 * was done, and an operator has to act.
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
  /** Its redirect. */
  #redirect: Redirect | null = null;
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
    if (this.#redirect !== null) {
      this.onError(this.#mismatch(this.#redirect));
      return;
    }
    this.#redirect = redirect;
    const { pods, log, next } = this.#options;
    const named = redirect.owner;
    const [ours, theirs] = this.#topologies(redirect.epoch);
    log.warn({ pod: this.#first, named, ours, theirs }, 'a pod says that it is not the owner of a guild');
    if (named === this.#first || pods[named] === undefined) this.onError(this.#mismatch(redirect));
    else {
      this.#request.pod = named;
      next.dispatch(this.#request, this);
    }
  }

  #mismatch({ owner, epoch }: Redirect): DispatchError {
    const [ours, theirs] = this.#topologies(epoch);
    return podError(
      this.#first,
      'TOPOLOGY_MISMATCH',
      'not-sent',
      `it is not the owner of this guild (it names pod ${owner}, ${theirs}), but this pod computed that (${ours}): NUM_GATEWAY_PODS, ROUTING or DISCORD_SHARDS differ`,
    );
  }

  /** Describes the topologies of this pod and of the other one. */
  #topologies(epoch: number): [string, string] {
    const { topology, pods } = this.#options;
    return [`${topology.fingerprint} epoch ${topology.epoch}`, theirTopology(pods[this.#first]?.link ?? null, epoch)];
  }
}

function statementOf(status: number, headers: HeaderList): Refusal | Redirect | null {
  const statement = podStatement(status, headers);
  return statement?.kind === 'refused' || statement?.kind === 'redirect' ? statement : null;
}

function theirTopology(link: Upstream['link'], epoch: number): string {
  const known = link?.peer?.topology;
  if (known === undefined) return `epoch ${Number.isNaN(epoch) ? 'unknown' : epoch}`;
  const { strategy, shards, pods } = known;
  return `${strategy}/${shards === null ? '' : `${shards}/`}${pods} epoch ${Number.isNaN(epoch) ? known.epoch : epoch}`;
}
