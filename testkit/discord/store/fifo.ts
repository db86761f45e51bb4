/**
 * A queue that removes its oldest entries in constant time. A Map in insertion order is slower: each deletion at its front makes
 * finding the first entry more expensive.
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

  /** Removes the oldest entry. */
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

  /** The entry at `index`, counted from the oldest. */
  at(index: number): T | undefined {
    return this.#entries[this.#head + index];
  }
}
