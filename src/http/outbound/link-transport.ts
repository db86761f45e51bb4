import type { LinkClient } from '../../link/client.ts';
import type { Dispatcher, ResponseHandler } from './dispatcher.ts';
import type { ForwardedRequest } from './forwarded-request.ts';

/** Sends requests over the link. Each response is whole. */
export class LinkTransport implements Dispatcher {
  readonly #link: LinkClient;

  constructor(link: LinkClient) {
    this.#link = link;
  }

  dispatch(request: ForwardedRequest, handler: ResponseHandler): void {
    const { init } = request;
    request.attemptedBy(this.#link, this.#link.send(init, init.deadlineAt, handler));
  }
}
