/**
 * How far one attempt over HTTP is.
 * - `queued`: it waits for a connection; nothing has been sent
 * - `sent`: the request is being written, so the pod may carry it out
 * - `responding`: the handler has the head of the response
 * - `over`: the handler has the end, an error, or the connection
 */
export type AttemptState = 'queued' | 'sent' | 'responding' | 'over';

/** What may follow each state. `sent` follows itself if the HTTP client writes the request on another connection. */
export const ATTEMPT_TRANSITIONS: Readonly<Record<AttemptState, readonly AttemptState[]>> = Object.freeze({
  queued: ['sent', 'over'],
  sent: ['sent', 'responding', 'over'],
  responding: ['over'],
  over: [],
});
