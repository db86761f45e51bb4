import { GuildwayError } from '../errors.ts';
import { FRAME_HEADER, type Frame } from './frames.ts';

/**
 * Cuts a byte stream into frames. A frame that lies in one chunk is a view into it. One that spans chunks is put together in memory of
 * its own size: large responses would otherwise be in memory twice.
 */
export class FrameReader {
  /** The longest frame that is accepted from now on, in bytes after the length field. */
  limit: number;
  readonly #reused: boolean;
  /** The frame that has begun, and how many bytes of it are there. */
  #begun: Buffer | null = null;
  #have = 0;
  /** The first bytes of a length field that is split between chunks: three at most. */
  #start: Buffer | null = null;

  /** @param reused chunks are views into a buffer that the next read overwrites */
  constructor(limit: number, { reused = false } = {}) {
    this.limit = limit;
    this.#reused = reused;
  }

  /**
   * Takes what was read and hands on each frame that is now complete.
   * @throws GuildwayError LINK_PROTOCOL when a length is out of bounds: nothing of such a frame is kept
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
