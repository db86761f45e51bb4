import { DispatchError } from '../errors.ts';
import { type MonotonicClock, type MonotonicTime, monotonicNow } from '../time.ts';
import type { GatewayResponse } from './message.ts';

/** Gets the one outcome of a request. Neither method may throw. */
export interface LinkHandler {
  onResponse(response: GatewayResponse): void;
  onError(error: DispatchError): void;
}

/** How late a deadline may be noticed. */
const TICK_MS = 20;
/** At first; twice as many whenever half of them are taken. */
const SLOTS = 256;

/**
 * The requests of one connection that wait for an answer, by id. Deadlines are looked through every 20 ms as long as there
 * are any: a timer for each request would cost more than the rest of its way through here.
 *
 * They are kept in a ring of slots and not in a Map. A Map that is added to and deleted from all the time makes a new table
 * whenever the old one is full of holes, and an old table that has been promoted keeps all later ones, with every request and
 * response in them, alive through each scavenge: measured as 50 % more CPU and a p99 of 21 ms instead of 3.
 *
 * The ring is as large as what is in flight needs, not as what may be: it is looked through fifty times a second, and a pod has
 * one for each gateway pod.
 */
export class InFlight {
  readonly #ids: { last: number };
  readonly #onDeadline: (id: number) => void;
  readonly #now: MonotonicClock;
  #mask = SLOTS - 1;
  /** By slot, which is the id's low bits: the id, its handler (null: the slot is free), and its deadline. */
  #idOf = new Uint32Array(SLOTS);
  #handlerOf: (LinkHandler | null)[] = new Array<LinkHandler | null>(SLOTS).fill(null);
  #deadlineOf = new Float64Array(SLOTS);
  #size = 0;
  #timer: NodeJS.Timeout | null = null;

  /**
   * @param ids the last id that was given out; several connections may share it
   * @param onDeadline gets the id of a request whose deadline has passed
   */
  constructor(ids: { last: number }, onDeadline: (id: number) => void, now: MonotonicClock = monotonicNow) {
    this.#ids = ids;
    this.#onDeadline = onDeadline;
    this.#now = now;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a request with its deadline and returns its id: not 0, and no other request in flight has it. How many is up to the caller. */
  add(deadlineAt: MonotonicTime, handler: LinkHandler): number {
    // Half of the slots are free, so that a few old requests do not make the search for one long.
    if (2 * this.#size > this.#mask) this.#grow();
    let id = this.#ids.last;
    do id = (id + 1) >>> 0;
    while (id === 0 || this.#handlerOf[id & this.#mask] !== null);
    this.#ids.last = id;
    const slot = id & this.#mask;
    this.#idOf[slot] = id;
    this.#handlerOf[slot] = handler;
    this.#deadlineOf[slot] = deadlineAt;
    this.#size++;
    // Not in the timer itself: in a busy process it may be due before the answers that have long arrived are read.
    this.#timer ??= setInterval(() => setImmediate(() => this.#tick()), TICK_MS).unref();
    return id;
  }

  /** Removes a request. The caller gives its handler the outcome. Null if it had its outcome already. */
  take(id: number): LinkHandler | null {
    const slot = id & this.#mask;
    if (this.#idOf[slot] !== id) return null;
    const handler = this.#handlerOf[slot] ?? null;
    if (handler !== null) {
      this.#handlerOf[slot] = null;
      this.#size--;
    }
    return handler;
  }

  /** Ends every request with the same error. */
  failAll(error: DispatchError): void {
    this.#stop();
    for (const id of this.#due(Number.POSITIVE_INFINITY)) this.take(id)?.onError(error);
  }

  /** The ids of the requests whose deadline has come. */
  #due(now: number): number[] {
    const ids: number[] = [];
    for (let slot = 0; slot <= this.#mask; slot++) {
      if (this.#handlerOf[slot] !== null && (this.#deadlineOf[slot] as number) <= now)
        ids.push(this.#idOf[slot] as number);
    }
    return ids;
  }

  /** Ids that differ in their low bits still do with one bit more: each has a slot of its own again. */
  #grow(): void {
    const [ids, handlers, deadlines] = [this.#idOf, this.#handlerOf, this.#deadlineOf];
    const slots = 2 * ids.length;
    this.#mask = slots - 1;
    this.#idOf = new Uint32Array(slots);
    this.#handlerOf = new Array<LinkHandler | null>(slots).fill(null);
    this.#deadlineOf = new Float64Array(slots);
    handlers.forEach((handler, from) => {
      if (handler === null) return;
      const id = ids[from] as number;
      const slot = id & this.#mask;
      this.#idOf[slot] = id;
      this.#handlerOf[slot] = handler;
      this.#deadlineOf[slot] = deadlines[from] as number;
    });
  }

  #tick(): void {
    if (this.#size === 0) {
      this.#stop();
      return;
    }
    for (const id of this.#due(this.#now())) {
      const handler = this.take(id);
      if (handler === null) continue;
      this.#onDeadline(id);
      handler.onError(new DispatchError('DEADLINE_EXCEEDED', 'unknown', 'the pod did not respond in time'));
    }
  }

  #stop(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
