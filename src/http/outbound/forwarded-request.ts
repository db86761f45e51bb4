import type { GatewayRequest, HeaderList } from '../../link/message.ts';
import type { MonotonicTime } from '../../time.ts';
import type { Repeatable } from './retry-policy.ts';

/** A body that streams from the client. */
export interface BodyStream {
  /**
   * Streams the body with backpressure.
   * @param onEnd called when the client has sent the whole body
   */
  read(onEnd: () => void): AsyncIterable<Buffer>;
}

/** An attempt in flight. */
export interface Attempt {
  /** Does nothing after the end of the attempt. */
  cancel(id: number): void;
}

export interface ForwardedRequestInit extends GatewayRequest {
  /** Without hop-by-hop headers; names in lower case. */
  readonly headers: HeaderList;
  /** At most MAX_LINK_BODY bytes. Empty if the body streams. */
  readonly body: Buffer;
  /** The body, if it streams. It is sent once at most. */
  readonly upload: BodyStream | null;
  /** `link`: over plain HTTP if the pod has no link. `plain`: request or response stream. `upgrade`: to switch protocols. */
  readonly transport: 'link' | 'plain' | 'upgrade';
  /** The handler gets the response whole. */
  readonly whole: boolean;
  /** When the response must have begun; a whole response must have ended. */
  readonly deadlineAt: MonotonicTime;
  /** No attempt starts after this. */
  readonly attemptsUntil: MonotonicTime;
  /** Any pod may answer: if one fails, another one is asked. */
  readonly anyPod: boolean;
  readonly repeatable: Repeatable;
}

/** A request on its way to a gateway pod. */
export class ForwardedRequest {
  /** What is sent. It never changes. */
  readonly init: ForwardedRequestInit;
  /** Ordinal of the pod that is asked now; once there is a response, of the pod that sent it. */
  pod: number;
  #cancelled = false;
  #attempt: Attempt | null = null;
  #attemptId = 0;

  constructor(pod: number, init: ForwardedRequestInit) {
    this.init = init;
    this.pod = pod;
  }

  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** The client disconnected: ends the attempt that is under way, and no other one starts. */
  cancel(): void {
    this.#cancelled = true;
    this.#attempt?.cancel(this.#attemptId);
  }

  /** @param id the attempt's name for the request */
  attemptedBy(attempt: Attempt, id: number): void {
    this.#attempt = attempt;
    this.#attemptId = id;
  }
}
