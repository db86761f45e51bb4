/**
 * What travels between an HTTP pod and a gateway pod, over the link or over plain HTTP. Nothing here depends on how.
 */

/** Alternating lower-case name and value: `['content-type', 'text/html', 'etag', '"1"']`. A name may occur twice. */
export type HeaderList = readonly string[];

export interface GatewayRequest {
  readonly method: string;
  /** Path and query, as they stood in the request line: `/app/1234?page=2`. */
  readonly target: string;
  readonly headers: HeaderList;
  /** The raw body; empty where there is none. At most {@link MAX_LINK_BODY} bytes over the link. */
  readonly body: Buffer;
}

export interface GatewayResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
}

/** What a gateway pod knows of a request beside its content. */
export interface RequestContext {
  /** When the caller stops waiting, on the clock of `performance.now()`. */
  readonly deadlineAt: number;
  /** Aborts when the caller has gone away or the connection ended. The outcome may still be recorded. */
  readonly signal: AbortSignal;
}

/** Serves one request. It must not reject: what it throws becomes a 500 without details. */
export type GatewayHandler = (request: GatewayRequest, context: RequestContext) => Promise<GatewayResponse>;

/** Larger bodies, and those that stream, take plain HTTP. */
export const MAX_LINK_BODY = 256 * 1024;

/** All internal headers start with this; an HTTP pod removes them from what comes from outside. */
export const INTERNAL_PREFIX = 'guildway-';

/** Paths of gateway pods that are not the bot's; an HTTP pod never forwards a request from outside to them. */
export const INTERNAL_PATHS = '/_guildway/';

/** The headers that pods exchange. Those marked "public" also reach the caller. */
export const HEADER = Object.freeze({
  /** Public. Names one request in the logs of every pod it passed. */
  requestId: 'guildway-request-id',
  /** Public. The ordinal of the gateway pod that answered. */
  pod: 'guildway-pod',
  /** Public. The name of the HTTP pod that served the caller. */
  httpPod: 'guildway-http-pod',
  /** On a 421: the ordinal that the answering pod believes is the owner. */
  owner: 'guildway-owner',
  /** On a 421: the epoch of the topology of the answering pod. */
  epoch: 'guildway-epoch',
  /** On a 401, 421 or 503: the pod has done nothing of the request, nor looked at it; why. */
  refusal: 'guildway-refusal',
  /** On plain HTTP: proves that the caller is a pod, and says which ordinal it dialled. See auth.ts. */
  auth: 'guildway-auth',
  /** On plain HTTP: milliseconds that the caller will wait. */
  deadlineMs: 'guildway-deadline-ms',
  /** The caller of this interaction already has a deferred response of this type (5 or 6): complete it by editing. */
  deferred: 'guildway-deferred',
  /** A hint's identity: this request was kept by a stand-in. */
  hint: 'guildway-hint',
  /** Unix milliseconds after which a hint must not be executed any more. */
  hintExpires: 'guildway-hint-expires',
  /** On a response: it was stored earlier and is given again. */
  replayed: 'guildway-replayed',
});

/** The value of a header in a list, or undefined. `name` is lower case. */
export function headerValue(headers: HeaderList, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}
