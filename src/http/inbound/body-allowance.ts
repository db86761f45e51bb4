/** The use of a body. */
export interface BodyUse {
  /** A part of the allowance is reserved for interactions. */
  readonly kind: 'interaction' | 'other';
  /** The ordinal of its gateway pod; null while unknown. */
  readonly pod: number | null;
  /** The client; null if a trusted proxy does not name it. */
  readonly client: string | null;
}

/** The share that is reserved for interactions. */
const INTERACTION_RESERVE = 1 / 4;
/** Shares of the rest: for the bodies for one pod, which may be away, and for the bodies of one client. */
const POD_SHARE = 1 / 2;
const CLIENT_SHARE = 1 / 4;

/**
 * Accounts for the bytes of request bodies in memory. Neither one client nor one absent pod can use the whole allowance, and a part
 * of it is reserved for interactions.
 */
export class BodyAllowance {
  readonly #max: number;
  readonly #maxOthers: number;
  #all = 0;
  #others = 0;
  readonly #byPod = new Map<number, number>();
  /** Counted separately, because interactions may come through the same proxy as other requests. */
  readonly #byClient: Readonly<Record<BodyUse['kind'], Map<string, number>>> = {
    interaction: new Map(),
    other: new Map(),
  };

  constructor(maxBytes: number) {
    this.#max = maxBytes;
    this.#maxOthers = maxBytes * (1 - INTERACTION_RESERVE);
  }

  /** Counts bytes for a use. @returns false without counting them if they exceed a limit */
  take({ kind, pod, client }: BodyUse, bytes: number): boolean {
    if (this.#all + bytes > this.#max) return false;
    const others = this.#maxOthers;
    const ofClient = client === null ? 0 : (this.#byClient[kind].get(client) ?? 0) + bytes;
    if (ofClient > others * CLIENT_SHARE && ofClient > bytes) return false;
    if (kind === 'other') {
      if (this.#others + bytes > others) return false;
      const ofPod = pod === null ? 0 : (this.#byPod.get(pod) ?? 0) + bytes;
      if (ofPod > others * POD_SHARE) return false;
      this.#others += bytes;
      if (pod !== null) this.#byPod.set(pod, ofPod);
    }
    this.#all += bytes;
    if (client !== null) this.#byClient[kind].set(client, ofClient);
    return true;
  }

  give({ kind, pod, client }: BodyUse, bytes: number): void {
    this.#all -= bytes;
    if (kind === 'other') {
      this.#others -= bytes;
      if (pod !== null) subtract(this.#byPod, pod, bytes);
    }
    if (client !== null) subtract(this.#byClient[kind], client, bytes);
  }
}

function subtract<Key>(counts: Map<Key, number>, key: Key, bytes: number): void {
  const left = (counts.get(key) ?? 0) - bytes;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}
