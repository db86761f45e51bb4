import { DispatchError } from '../../errors.ts';
import type { LinkClient } from '../../link/client.ts';
import type { GatewayRequest, GatewayResponse } from '../../link/message.ts';
import { type Duration, inMs, type MonotonicTime } from '../../time.ts';

/** The connection to an owner, as a queue of hints needs it. */
export interface HintChannel {
  /** Resolves when requests can be sent. Rejects when the owner is away. */
  connect(): Promise<void>;
  /** @throws DispatchError with the outcome `not-sent` if the owner has certainly not carried out the request */
  send(request: GatewayRequest, timeoutMs: Duration): Promise<GatewayResponse>;
  close(): void;
}

/** To another pod. */
export function linkChannel(link: LinkClient): HintChannel {
  return {
    async connect() {
      if ((await link.connect()) === 'ready') return;
      throw new DispatchError('LINK_UNAVAILABLE', 'not-sent', `gateway pod ${link.ordinal} does not know the link`);
    },
    // Not `request()`, which waits for a connection and then sends everything that waited at once.
    send: (request, timeoutMs) =>
      new Promise((resolve, reject) => {
        link.send(request, inMs(timeoutMs), { onResponse: resolve, onError: reject });
      }),
    close: () => link.close(),
  };
}

/** To this pod itself, which also stores requests that it was too slow for. */
export function localChannel(
  serve: (request: GatewayRequest, deadlineAt: MonotonicTime) => Promise<GatewayResponse>,
): HintChannel {
  return {
    connect: () => Promise.resolve(),
    send: (request, timeoutMs) => serve(request, inMs(timeoutMs)),
    close: () => {},
  };
}
