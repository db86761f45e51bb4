import { GuildwayError } from '../errors.ts';
import { FRAME_HEADER, type Frame } from './frames.ts';

/**
 * Splits a byte stream into frames. A frame within one chunk is a view into it. A frame that spans chunks is assembled in a buffer of its
 * exact size, so that large responses are not in memory twice.
 */
export class FrameReader {
  /** The limit for frames, in bytes after the length field. */
  limit: number;
  readonly #reused: boolean;
  /** The incomplete frame and the number of its received bytes. */
  #begun: Buffer | null = null;
  #have = 0;
  /** The first bytes, at most three, of a length field that spans chunks. */
  #start: Buffer | null = null;

  /** @param reused chunks are views into a buffer that the next read overwrites */
  constructor(limit: number, { reused = false } = {}) {
    this.limit = limit;
    this.#reused = reused;
  }

  /**
   * Consumes a chunk and emits each complete frame.
   * @throws GuildwayError LINK_PROTOCOL if a length is out of bounds; nothing of such a frame is buffered
   */
  push(chunk: Buffer, onFrame: (frame: Frame) => void): void {
    let bytes = chunk;
    if (this.#begun !== null) {
      const taken = bytes.copy(this.#begun, this.#have);
      this.#have += taken;
      if (this.#have < this.#begun.length) return;
      const frame = this.#begun;
      this.#begun = null;
      onFrame(frameOf(frame));
      if (taken === bytes.length) return;
      bytes = bytes.subarray(taken);
    }
    if (this.#start !== null) {
      bytes = Buffer.concat([this.#start, bytes]);
      this.#start = null;
    } else if (this.#reused) bytes = Buffer.from(bytes);
    let at = 0;
    while (bytes.length - at >= 4) {
      const length = this.#frameLength(bytes, at);
      if (bytes.length - at < length) {
        this.#begun = Buffer.allocUnsafe(length);
        this.#have = bytes.copy(this.#begun, 0, at);
        return;
      }
      const frame = bytes.subarray(at, at + length);
      at += length;
      onFrame(frameOf(frame));
    }
    if (at < bytes.length) this.#start = Buffer.from(bytes.subarray(at));
  }

  #frameLength(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at);
    if (length < FRAME_HEADER - 4 || length > this.limit) {
      throw new GuildwayError('LINK_PROTOCOL', `a frame of ${length} bytes is not allowed (limit ${this.limit})`);
    }
    return length + 4;
  }
}

const frameOf = (bytes: Buffer): Frame => ({ type: bytes[4] as number, id: bytes.readUInt32BE(5), bytes });
