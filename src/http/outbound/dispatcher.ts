import type { Duplex } from 'node:stream';
import type { DispatchError } from '../../errors.ts';
import type { LinkHandler } from '../../link/client.ts';
import type { GatewayResponse, HeaderList } from '../../link/message.ts';
import type { ForwardedRequest } from './forwarded-request.ts';

/** One way to send a request to a gateway pod: a transport, or a wrapper that adds one rule to another dispatcher. */
export interface Dispatcher {
  /** Sends a request. The handler gets one outcome, perhaps before this returns. {@link ForwardedRequest.cancel} ends it early. */
  dispatch(request: ForwardedRequest, handler: ResponseHandler): void;
}

/**
 * Gets the outcome of a request: `onResponse`, or `onUpgrade`, or `onHead`, then `onBody` for each chunk, then `onEnd`. `onError`
 * takes the place of all that has not been called yet.
 *
 * The handlers of wrappers have no base class that passes on what they do not change: there are three of them for each request, and
 * an object of a derived class takes three times as long to create.
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
