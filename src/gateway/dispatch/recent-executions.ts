/** An execution that is running or has just finished. */
export interface RecentExecution<Value> {
  readonly key: string;
  readonly bodyHash: string;
  readonly value: Value;
  /** Running executions are never evicted. */
  running: boolean;
}

interface Slot<Value> extends RecentExecution<Value> {
  /** The position in the ring. */
  at: number;
  next: Slot<Value> | null;
}

/**
 * The latest executions by key, in a ring of fixed size with a hash table of fixed width. Not a Map: with an insertion and a
 * deletion for each request, a Map keeps its old tables alive, with everything in them (see link/in-flight.ts).
 */
export class RecentExecutions<Value> {
  readonly #ring: (Slot<Value> | null)[];
  readonly #buckets: (Slot<Value> | null)[];
  readonly #mask: number;
  #cursor = 0;

  /** @param capacity a power of 2 */
  constructor(capacity: number) {
    this.#ring = new Array<Slot<Value> | null>(capacity).fill(null);
    this.#buckets = new Array<Slot<Value> | null>(2 * capacity).fill(null);
    this.#mask = 2 * capacity - 1;
  }

  find(key: string): RecentExecution<Value> | null {
    let slot = this.#buckets[this.#bucketOf(key)] ?? null;
    while (slot !== null && slot.key !== key) slot = slot.next;
    return slot;
  }

  /**
   * Adds a running entry and evicts the oldest finished one.
   * @returns null if all entries are running; the new one is not remembered then
   */
  add(key: string, bodyHash: string, value: Value): RecentExecution<Value> | null {
    const at = this.#freePlace();
    if (at === -1) return null;
    const oldest = this.#ring[at] ?? null;
    if (oldest !== null) this.delete(oldest);
    const bucket = this.#bucketOf(key);
    const slot = { key, bodyHash, value, running: true, at, next: this.#buckets[bucket] ?? null };
    this.#buckets[bucket] = slot;
    this.#ring[at] = slot;
    return slot;
  }

  delete(entry: RecentExecution<Value>): void {
    const slot = entry as Slot<Value>;
    if (this.#ring[slot.at] !== slot) return;
    this.#ring[slot.at] = null;
    const bucket = this.#bucketOf(slot.key);
    let other = this.#buckets[bucket] ?? null;
    if (other === slot) {
      this.#buckets[bucket] = slot.next;
      return;
    }
    while (other !== null && other.next !== slot) other = other.next;
    if (other !== null) other.next = slot.next;
  }

  #freePlace(): number {
    const size = this.#ring.length;
    for (let i = 0; i < size; i++) {
      const at = this.#cursor;
      this.#cursor = (at + 1) % size;
      if (this.#ring[at]?.running !== true) return at;
    }
    return -1;
  }

  /** FNV-1a. */
  #bucketOf(key: string): number {
    let hash = 0x811c9dc5;
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
    return hash & this.#mask;
  }
}
