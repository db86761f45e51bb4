/** What a body is read for. */
export interface BodyUse {
  /** Interactions have a part of the allowance that nothing else can use. */
  readonly kind: 'interaction' | 'other';
  /** The ordinal of the gateway pod that it goes to; null where that is not known yet. */
  readonly pod: number | null;
  /** Who sends it; null where a trusted proxy does not say. */
  readonly client: string | null;
}

/** The part of all bodies that only interactions may use. */
const INTERACTION_RESERVE = 1 / 4;
/** Parts of what is left for everything else: bodies for one pod, which may be away, and bodies of one client. */
const POD_SHARE = 1 / 2;
const CLIENT_SHARE = 1 / 4;

/**
 * How many bytes of request bodies are in memory, and for whom. Neither a client that sends many bodies, nor a pod that is away and
 * for which bodies wait, nor anything but interactions can use up what the others need.
 */
export class BodyAllowance {
  readonly #max: number;
  readonly #maxOthers: number;
  #all = 0;
  #others = 0;
  readonly #byPod = new Map<number, number>();
  /** Apart from each other: interactions may come through the same proxy as everything else. */
  readonly #byClient: Readonly<Record<BodyUse['kind'], Map<string, number>>> = {
    interaction: new Map(),
    other: new Map(),
  };

  constructor(maxBytes: number) {
    this.#max = maxBytes;
    this.#maxOthers = maxBytes * (1 - INTERACTION_RESERVE);
  }

  /** Counts bytes for a use. @returns false, and counts nothing, where they would be too many */
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
