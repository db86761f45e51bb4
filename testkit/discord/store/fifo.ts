/**
 * A queue that forgets its oldest entries cheaply. A Map in insertion order would do, but finding its first entry takes
 * longer and longer while entries are deleted from its front.
 */
export class Fifo<T> {
  #entries: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#entries.length - this.#head;
  }

  push(entry: T): void {
    this.#entries.push(entry);
  }

  /** The oldest entry, or undefined. */
  first(): T | undefined {
    return this.#entries[this.#head];
  }

  /** Takes the oldest entry out. */
  shift(): T | undefined {
    const entry = this.#entries[this.#head];
    if (this.size === 0) return undefined;
    this.#entries[this.#head] = undefined;
    this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }

  /** Entry `index`, counted from the oldest. */
  at(index: number): T | undefined {
    return this.#entries[this.#head + index];
  }
}
