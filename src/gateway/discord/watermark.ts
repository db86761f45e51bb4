/**
 * How far a session's events have been handled: the last sequence number before the first unfinished event. Handlers finish in
 * any order. The stored number must never pass a running handler, or a killed pod would lose its event.
 */
export class Watermark {
  readonly #queue: { readonly sequence: number; done: boolean }[] = [];
  #head = 0;
  #last: number;

  /** @param handled every event up to this one has been handled */
  constructor(handled: number) {
    this.#last = handled;
  }

  /** Events whose handlers are running. */
  get pending(): number {
    return this.#queue.length - this.#head;
  }

  /** Every event up to this one has been handled. */
  get handled(): number {
    const first = this.#queue[this.#head];
    return first === undefined ? this.#last : first.sequence - 1;
  }

  /** Notes an event that needs no handling. Events come in the order of their numbers. */
  skip(sequence: number): void {
    this.#last = Math.max(this.#last, sequence);
  }

  /** Notes an event that is being handled. @returns a function to call when it is handled */
  begin(sequence: number): () => void {
    this.skip(sequence);
    const entry = { sequence, done: false };
    this.#queue.push(entry);
    return () => {
      entry.done = true;
      while (this.#queue[this.#head]?.done === true) this.#head++;
      // Bounded by the pending events, not by all events ever.
      if (this.#head > 1_000 || this.#head === this.#queue.length) {
        this.#queue.splice(0, this.#head);
        this.#head = 0;
      }
    };
  }
}
