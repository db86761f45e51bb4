import type { Socket } from 'node:net';
import type { Duration } from '../time.ts';
import { checkHead, FRAME, FRAME_HEADER, REQUEST_FIXED, RESPONSE_FIXED } from './frames.ts';

const CHUNK = 64 * 1024;
const MAX_U32 = 0xffff_ffff;
/** Bodies of this size or more are passed to the socket directly instead of being copied into the batch. */
const COPY_LIMIT = 16 * 1024;

/**
 * Collects the frames of one turn of the event loop and writes them together, because system calls dominate a proxy's cost for small
 * requests. Frames are written directly into a chunk. Bytes that were handed out are never changed.
 */
export class FrameWriter {
  readonly #socket: Socket;
  #chunk = Buffer.allocUnsafeSlow(CHUNK);
  #start = 0;
  #end = 0;
  #scheduled = false;
  readonly #flush = () => this.flush();

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Bytes that the peer has not read. */
  get backlog(): number {
    return this.#socket.writableLength + (this.#end - this.#start);
  }

  /**
   * Adds a REQUEST frame. `head` is latin-1 and has `parts` parts; `timeoutMs` is an integer.
   * @throws GuildwayError REQUEST_INVALID: nothing was added
   */
  request(id: number, timeoutMs: Duration, head: string, parts: number, body: Buffer): void {
    checkHead(head, parts);
    const at = this.#frame(FRAME.request, id, REQUEST_FIXED + head.length, body);
    const chunk = this.#chunk;
    chunk.writeUInt32BE(Math.min(timeoutMs, MAX_U32), at + FRAME_HEADER);
    chunk.writeUInt32BE(head.length, at + FRAME_HEADER + 4);
    chunk.writeUInt16BE(parts, at + FRAME_HEADER + 8);
    chunk.write(head, at + REQUEST_FIXED, 'latin1');
    this.#body(body);
  }

  /**
   * Adds a RESPONSE frame. `status` is an HTTP status.
   * @param sent called when the operating system has accepted the body, or never will
   * @throws GuildwayError REQUEST_INVALID: nothing was added
   */
  response(id: number, status: number, head: string, parts: number, body: Buffer, sent?: () => void): void {
    checkHead(head, parts);
    const at = this.#frame(FRAME.response, id, RESPONSE_FIXED + head.length, body);
    const chunk = this.#chunk;
    chunk.writeUInt16BE(status, at + FRAME_HEADER);
    chunk.writeUInt32BE(head.length, at + FRAME_HEADER + 2);
    chunk.writeUInt16BE(parts, at + FRAME_HEADER + 6);
    chunk.write(head, at + RESPONSE_FIXED, 'latin1');
    this.#body(body, sent);
  }

  /** Adds a HELLO frame. */
  hello(value: unknown): void {
    const body = Buffer.from(JSON.stringify(value));
    this.#frame(FRAME.hello, 0, FRAME_HEADER, body);
    this.#body(body);
  }

  /** Adds a frame without payload. */
  signal(type: number, id: number): void {
    this.#frame(type, id, FRAME_HEADER, null);
    this.#schedule();
  }

  /** Writes the collected frames immediately. */
  flush(): void {
    this.#scheduled = false;
    if (this.#end === this.#start || this.#socket.destroyed) return;
    this.#socket.write(this.#chunk.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  /** Reserves `fixed` bytes and writes the frame's header. `body` only adds to the length. @returns the offset of the frame */
  #frame(type: number, id: number, fixed: number, body: Buffer | null): number {
    const bodyLength = body === null ? 0 : body.length;
    this.#reserve(fixed);
    const at = this.#end;
    const chunk = this.#chunk;
    chunk.writeUInt32BE(fixed + bodyLength - 4, at);
    chunk[at + 4] = type;
    chunk.writeUInt32BE(id, at + 5);
    this.#end += fixed;
    return at;
  }

  #body(body: Buffer, sent?: () => void): void {
    if (body.length >= COPY_LIMIT) {
      this.flush();
      this.#socket.write(body, sent);
      return;
    }
    // Copied, and small.
    sent?.();
    if (body.length > 0) {
      // The start of the frame may be written before its body. They stay adjacent and in order.
      this.#reserve(body.length);
      body.copy(this.#chunk, this.#end);
      this.#end += body.length;
    }
    this.#schedule();
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#chunk.length) return;
    this.flush();
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK, bytes));
    this.#start = 0;
    this.#end = 0;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // After the poll phase, when every readable socket of this turn has been read.
    setImmediate(this.#flush);
  }
}
