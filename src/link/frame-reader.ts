import { GuildwayError } from '../errors.ts';
import { FRAME_HEADER, type Frame } from './frames.ts';

/**
 * Cuts a byte stream into frames. A frame that lies in one chunk is a view into it; only one that spans chunks is copied.
 */
export class FrameReader {
  /** The longest frame that is accepted from now on, in bytes after the length field. */
  limit: number;
  #parts: Buffer[] = [];
  #have = 0;
  /** Bytes of the frame that `#parts` begins, with its length field; 0 while that is not known. */
  #need = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /**
   * Takes what was read and hands on each frame that is now complete.
   * @throws GuildwayError LINK_PROTOCOL when a length is out of bounds: nothing of such a frame is kept
   */
  push(chunk: Buffer, onFrame: (frame: Frame) => void): void {
    let bytes = chunk;
    if (this.#have > 0) {
      this.#parts.push(chunk);
      this.#have += chunk.length;
      if (this.#need === 0 && this.#have >= 4) {
        // The length field itself was split; a handful of bytes at most.
        const start = Buffer.concat(this.#parts, Math.min(this.#have, 4));
        this.#need = this.#frameLength(start, 0);
      }
      if (this.#need === 0 || this.#have < this.#need) return;
      bytes = Buffer.concat(this.#parts, this.#have);
      this.#parts = [];
      this.#have = 0;
      this.#need = 0;
    }
    let at = 0;
    while (bytes.length - at >= 4) {
      const length = this.#frameLength(bytes, at);
      if (bytes.length - at < length) {
        this.#need = length;
        break;
      }
      const frame = bytes.subarray(at, at + length);
      at += length;
      onFrame({ type: frame[4] as number, id: frame.readUInt32BE(5), bytes: frame });
    }
    if (at < bytes.length) {
      this.#parts = [at === 0 ? bytes : bytes.subarray(at)];
      this.#have = bytes.length - at;
    }
  }

  #frameLength(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at);
    if (length < FRAME_HEADER - 4 || length > this.limit) {
      throw new GuildwayError('LINK_PROTOCOL', `a frame of ${length} bytes is not allowed (limit ${this.limit})`);
    }
    return length + 4;
  }
}
