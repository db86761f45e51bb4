/** The service is restarting; the client may reconnect at once (IANA's registry of close codes). */
const SERVICE_RESTART = 1012;

/** Tracks frame boundaries in the bytes of a websocket, so that another frame can be inserted between two frames. */
export class FrameBoundaries {
  /** The received bytes of an incomplete frame head; empty between frames. */
  #head: number[] = [];
  /** The number of payload bytes to come. */
  #payload = 0n;

  /** Whether the bytes so far end at a frame boundary. */
  get between(): boolean {
    return this.#head.length === 0 && this.#payload === 0n;
  }

  /**
   * Consumes the next bytes.
   * @param until `first`: only up to the end of the current frame
   * @returns the number of consumed bytes
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

/** An unmasked close frame, as servers send it. */
export function closeFrame(): Buffer {
  const reason = Buffer.from('service restart');
  const head = Buffer.from([0x88, 2 + reason.length, SERVICE_RESTART >> 8, SERVICE_RESTART & 0xff]);
  return Buffer.concat([head, reason]);
}
