import type { Duplex } from 'node:stream';
import type { DispatchError } from '../../errors.ts';
import type { LinkHandler } from '../../link/client.ts';
import type { GatewayResponse, HeaderList } from '../../link/message.ts';
import type { PodStatement } from '../../protocol/pod-statement.ts';
import type { ForwardedRequest } from './forwarded-request.ts';

/** One way to send a request to a gateway pod: a transport, or a wrapper that adds one rule to another dispatcher. */
export interface Dispatcher<Handler extends ResponseHandler = ResponseHandler> {
  /** Sends a request. The handler gets one outcome, perhaps before this returns. {@link ForwardedRequest.cancel} ends it early. */
  dispatch(request: ForwardedRequest, handler: Handler): void;
}

/**
 * Gets the outcome of a request: `onResponse`, or `onUpgrade`, or `onHead`, then `onBody` for each chunk, then `onEnd`. `onError`
 * takes the place of all that has not been called yet.
 */
export interface ResponseHandler extends LinkHandler {
  /** The whole response. The link has no other, and a request with `whole` gets no other. */
  onResponse(response: GatewayResponse): void;
  /** @param headers names in lower case */
  onHead(status: number, headers: HeaderList, flow: ResponseFlow): void;
  /** @returns false to get no more until {@link ResponseFlow.resume} */
  onBody(chunk: Buffer): boolean;
  onEnd(): void;
  /** The pod has switched protocols. Only a request for the upgrade transport gets this. */
  onUpgrade?(opened: Upgraded): void;
  onError(error: DispatchError): void;
}

/** Controls a response while its body arrives. Neither method does anything after the end. */
export interface ResponseFlow {
  resume(): void;
  /** Ends the connection. `onError` of the handler gets the error. */
  abort(error: DispatchError): void;
}

/** A connection that a pod has switched to another protocol. */
export interface Upgraded {
  readonly status: number;
  readonly headers: HeaderList;
  /** The pod's side. It belongs to the handler. */
  readonly socket: Duplex;
  /** The first bytes of the new protocol. */
  readonly head: Buffer;
}

/** A pod says that another pod is the owner. */
export type Redirect = Extract<PodStatement, { kind: 'redirect' }>;

/** Gets the outcome of a request at one pod. */
export interface AttemptHandler extends ResponseHandler {
  onRedirect(redirect: Redirect): void;
}

/** Passes everything on. A wrapper's handler overrides what it changes. */
export class PassThrough<Handler extends ResponseHandler = ResponseHandler> implements ResponseHandler {
  protected readonly handler: Handler;

  constructor(handler: Handler) {
    this.handler = handler;
  }

  onResponse(response: GatewayResponse): void {
    this.handler.onResponse(response);
  }

  onHead(status: number, headers: HeaderList, flow: ResponseFlow): void {
    this.handler.onHead(status, headers, flow);
  }

  onBody(chunk: Buffer): boolean {
    return this.handler.onBody(chunk);
  }

  onEnd(): void {
    this.handler.onEnd();
  }

  onUpgrade(opened: Upgraded): void {
    this.handler.onUpgrade?.(opened);
  }

  onError(error: DispatchError): void {
    this.handler.onError(error);
  }
}
