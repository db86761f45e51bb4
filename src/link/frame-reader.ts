import { GuildwayError } from '../errors.ts';
import { FRAME_HEADER, type Frame } from './frames.ts';

const NONE = Buffer.alloc(0);

/**
 * Cuts a byte stream into frames. A frame that lies in one chunk is a view into it. One that spans chunks is copied once, into a buffer
 * of its own size.
 */
export class FrameReader {
  /** The longest frame that is accepted from now on, in bytes after the length field. */
  limit: number;
  /** A frame that has begun, and how many of its bytes are there. */
  #frame: Buffer | null = null;
  #have = 0;
  /** The beginning of a length field: three bytes at most. */
  #start = NONE;

  constructor(limit: number) {
    this.limit = limit;
  }

  /**
   * Takes what was read and hands on each frame that is now complete.
   * @throws GuildwayError LINK_PROTOCOL when a length is out of bounds: nothing of such a frame is kept
   */
  push(chunk: Buffer, onFrame: (frame: Frame) => void): void {
    let bytes = chunk;
    let at = 0;
    const frame = this.#frame;
    if (frame !== null) {
      at = chunk.copy(frame, this.#have);
      this.#have += at;
      if (this.#have < frame.length) return;
      this.#frame = null;
      onFrame(frameOf(frame));
    } else if (this.#start.length > 0) {
      bytes = Buffer.concat([this.#start, chunk]);
      this.#start = NONE;
    }
    while (bytes.length - at >= 4) {
      const length = this.#frameLength(bytes, at);
      if (bytes.length - at < length) {
        this.#frame = Buffer.allocUnsafe(length);
        this.#have = bytes.copy(this.#frame, 0, at);
        return;
      }
      const whole = bytes.subarray(at, at + length);
      at += length;
      onFrame(frameOf(whole));
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
