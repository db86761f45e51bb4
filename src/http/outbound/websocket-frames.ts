/** The service restarts; the client may connect again at once (IANA's registry of close codes). */
const SERVICE_RESTART = 1012;

/** Follows the frames of a websocket in bytes that pass by, so that a frame of our own can be put between two of them. */
export class FrameBoundaries {
  /** Bytes of a frame's head that are here already; empty between frames. */
  #head: number[] = [];
  /** Bytes of its payload that are still to come. */
  #payload = 0n;

  /** Whether the bytes so far end with a whole frame. */
  get between(): boolean {
    return this.#head.length === 0 && this.#payload === 0n;
  }

  /**
   * Takes the next bytes.
   * @param until `first`: only up to the end of the frame that has begun
   * @returns how many bytes were taken
   */
  take(chunk: Uint8Array, until: 'end' | 'first'): number {
    let at = 0;
    while (at < chunk.length) {
      if (until === 'first' && this.between && at > 0) break;
      if (this.#payload > 0n) {
        const here = Math.min(chunk.length - at, Number(this.#payload));
        this.#payload -= BigInt(here);
        at += here;
      } else {
        this.#head.push(chunk[at++] as number);
        this.#payload = this.#payloadLength() ?? 0n;
        if (this.#payloadLength() !== null) this.#head = [];
      }
    }
    return at;
  }

  /** RFC 6455, 5.2. Null while the head is not complete. */
  #payloadLength(): bigint | null {
    const [, second] = this.#head;
    if (second === undefined) return null;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const mask = (second & 0x80) === 0 ? 0 : 4;
    if (this.#head.length < 2 + lengthBytes + mask) return null;
    if (lengthBytes === 0) return BigInt(short);
    return this.#head.slice(2, 2 + lengthBytes).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  }
}

/** A close frame of a server, which is not masked. */
export function closeFrame(): Buffer {
  const reason = Buffer.from('service restart');
  const head = Buffer.from([0x88, 2 + reason.length, SERVICE_RESTART >> 8, SERVICE_RESTART & 0xff]);
  return Buffer.concat([head, reason]);
}
