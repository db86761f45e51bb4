import type { DispatchError } from '../../errors.ts';
import { StateMachine } from '../../state-machine.ts';
import type { Duration } from '../../time.ts';
import type { ResponseHandler } from './dispatcher.ts';
import { cancelled, plainError } from './pod-error.ts';

/**
 * How far one attempt over HTTP is.
 * - `queued`: it waits for a connection; nothing has been sent
 * - `sent`: the request is being written, so the pod may carry it out
 * - `responding`: the handler has the head of the response
 * - `over`: the handler has the end, an error, or the connection
 */
type Phase = 'queued' | 'sent' | 'responding' | 'over';

/** What may follow each phase. `sent` follows itself if the HTTP client writes the request on another connection. */
const TRANSITIONS: Readonly<Record<Phase, readonly Phase[]>> = Object.freeze({
  queued: ['sent', 'over'],
  sent: ['sent', 'responding', 'over'],
  responding: ['over'],
  over: [],
});

/** One attempt over HTTP, whichever client sends it: how far it is, its time limit, and its one end. */
export class AttemptState extends StateMachine<Phase> {
  readonly #ordinal: number;
  readonly #handler: ResponseHandler;
  #timer: NodeJS.Timeout | undefined;

  constructor(ordinal: number, handler: ResponseHandler) {
    super('queued', TRANSITIONS);
    this.#ordinal = ordinal;
    this.#handler = handler;
  }

  /**
   * Starts the time limit. It ends with the attempt, or by {@link stopTimer}.
   * @param abort ends the attempt with an error that {@link fail} reports as DEADLINE_EXCEEDED
   */
  startTimer(ms: Duration, abort: (late: Error) => void): void {
    const late = (): void => abort(new DOMException('no response in time', 'TimeoutError'));
    this.#timer = setTimeout(late, Math.max(1, ms));
  }

  stopTimer(): void {
    clearTimeout(this.#timer);
  }

  /** The error of an attempt that is cancelled now. */
  cancelled(): DispatchError {
    return cancelled(this.#ordinal, this.#outcome);
  }

  /** @returns false if the attempt was already over */
  end(): boolean {
    this.stopTimer();
    return this.enter('over');
  }

  /** Gives the handler an error, unless the attempt is already over. */
  fail(cause: Error): void {
    const outcome = this.#outcome;
    if (this.end()) this.#handler.onError(plainError(this.#ordinal, outcome, cause));
  }

  get #outcome(): DispatchError['outcome'] {
    return this.is('queued') ? 'not-sent' : 'unknown';
  }
}
