import type { GatewayResponse, HeaderList } from '../../link/message.ts';
import { type MonotonicTime, remaining } from '../../time.ts';
import type { ResponseLease } from './response-memory.ts';

/** A response whose body is still being made. */
export interface StreamedReply {
  readonly status: number;
  readonly headers: HeaderList;
  readonly stream: ReadableStream<Uint8Array>;
  /** Resolves when what the handler has written until now is on disk: no chunk leaves before. Rejects if that failed. */
  readonly durable?: () => Promise<void>;
  /** Counts its bytes in memory; the reader updates it. */
  readonly lease?: ResponseLease;
}

/** What a gateway pod answers: plain HTTP sends a stream as it comes, the link needs the whole body. */
export type Reply = GatewayResponse | StreamedReply;

export const isStreamed = (reply: Reply): reply is StreamedReply => 'stream' in reply;

/** Cancels the source of a reply that is not read to its end. */
export function discard(reply: Reply): void {
  // A source that fails while it is told, or has failed before, has nothing left to let go of.
  if (isStreamed(reply)) {
    reply.stream.cancel().catch(() => {});
    reply.lease?.end();
  } else reply.sent?.();
}

/**
 * A chunk of a bot's stream. A stream in JavaScript may carry anything, and what has no length could be counted as no memory.
 * @throws TypeError for what is no bytes
 */
export function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError(`a response body's chunks must be Uint8Array, not ${typeof chunk}`);
}

/** A whole body, or why there is none; the stream is cancelled then. */
export type Collected = { readonly kind: 'whole'; readonly body: Buffer } | { readonly kind: 'too-large' | 'too-slow' };

/**
 * Reads a stream to its end.
 * @param deadlineAt a stream of events has no end
 * @throws what the stream fails with
 */
export async function collect(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  deadlineAt: MonotonicTime,
  lease?: ResponseLease,
): Promise<Collected> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const { promise: late, resolve: onLate } = Promise.withResolvers<'late'>();
  const timer = setTimeout(onLate, Math.max(0, remaining(deadlineAt)), 'late').unref();
  const giveUp = (kind: 'too-large' | 'too-slow'): Collected => {
    reader.cancel().catch(() => {});
    return { kind };
  };
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), late]);
      if (next === 'late') return giveUp('too-slow');
      if (next.done)
        return { kind: 'whole', body: chunks.length === 1 ? asBuffer(chunks[0] as Uint8Array) : Buffer.concat(chunks) };
      const chunk = bytesOf(next.value);
      size += chunk.byteLength;
      if (size > maxBytes) return giveUp('too-large');
      lease?.hold(size);
      chunks.push(chunk);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
