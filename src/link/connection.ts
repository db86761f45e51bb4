import type { Socket } from 'node:net';
import { closeInTime } from '../end-socket.ts';
import { GuildwayError } from '../errors.ts';
import { type Duration, monotonicNow } from '../time.ts';
import { FrameReader } from './frame-reader.ts';
import { FrameWriter } from './frame-writer.ts';
import { FRAME, type Frame } from './frames.ts';

export interface ConnectionOptions {
  readonly socket: Socket;
  /** Sends everything that the socket reads to `listener`. */
  readonly read: (listener: (chunk: Buffer) => void) => void;
  /** Whether reads share one buffer, which the next read overwrites. */
  readonly reused: boolean;
  /** Bytes that were read before this connection was created. */
  readonly head: Buffer;
  /** The initial limit for frames; see {@link FrameReader.limit}. */
  readonly frameLimit: number;
  /** May throw LINK_PROTOCOL, which ends the connection. */
  readonly onFrame: (frame: Frame) => void;
  /** Called once, regardless of which side ended it. The error is null if the peer closed it normally. */
  readonly onClose: (error: Error | null) => void;
}

/** A socket with frames, for both sides of the link. Owns the socket. */
export class Connection {
  readonly socket: Socket;
  readonly reader: FrameReader;
  readonly writer: FrameWriter;
  /** The time of the last bytes from the peer. */
  lastReadAt = monotonicNow();
  #error: Error | null = null;

  constructor({ socket, read, reused, head, frameLimit, onFrame, onClose }: ConnectionOptions) {
    this.socket = socket;
    this.reader = new FrameReader(frameLimit, { reused });
    this.writer = new FrameWriter(socket);
    const onRead = (chunk: Buffer): void => {
      this.lastReadAt = monotonicNow();
      try {
        this.reader.push(chunk, onFrame);
      } catch (error) {
        this.destroy(error as Error);
      }
    };
    socket.setNoDelay(true);
    socket.setTimeout(0);
    read(onRead);
    socket.on('error', (error) => {
      this.#error ??= error;
    });
    // An HTTP server's sockets stay half open, so a dead client would be noticed only after minutes.
    socket.on('end', () => {
      socket.end();
      closeInTime(socket);
    });
    socket.once('close', () => onClose(this.#error));
    // Deferred until the caller has finished its setup, because the bytes may contain a HELLO.
    if (head.length > 0) process.nextTick(onRead, head);
  }

  /** Ends the connection immediately. */
  destroy(error?: Error): void {
    this.#error ??= error ?? null;
    this.socket.destroy();
  }

  /** Ends the connection after all written bytes. */
  end(): void {
    this.writer.flush();
    this.socket.end();
    closeInTime(this.socket);
  }
}

/**
 * Pings the peer after one heartbeat of silence and ends the connection after three. A late check means that this process was stopped or
 * busy, not that the peer is gone, so it only pings.
 * @returns a function that stops the checks
 */
export function startHeartbeat(connection: Connection, heartbeatMs: Duration): () => void {
  let last = monotonicNow();
  const timer = setInterval(() => {
    const now = monotonicNow();
    const late = now - last > 2 * heartbeatMs;
    last = now;
    const silentMs = now - connection.lastReadAt;
    if (silentMs > 3 * heartbeatMs && !late) {
      connection.destroy(new GuildwayError('LINK_LOST', `no sign of life for ${Math.round(silentMs)} ms`));
    } else if (silentMs > 0.9 * heartbeatMs) {
      connection.writer.signal(FRAME.ping, 0);
    }
  }, heartbeatMs);
  timer.unref();
  return () => clearInterval(timer);
}
