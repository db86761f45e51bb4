import type { GatewayResponse, HeaderList } from '../../link/message.ts';
import { type MonotonicTime, remaining } from '../../time.ts';
import type { ResponseLease } from './response-memory.ts';

/** A response with a streaming body. */
export interface StreamedReply {
  readonly status: number;
  readonly headers: HeaderList;
  readonly stream: ReadableStream<Uint8Array>;
  /** Resolves when the handler's writes so far are on disk. No chunk leaves before. Rejects if the commit failed. */
  readonly durable?: () => Promise<void>;
  /** Counts the bytes in memory. The reader updates it. */
  readonly lease?: ResponseLease;
}

/** The response of a gateway pod. Plain HTTP streams it; the link needs the whole body. */
export type Reply = GatewayResponse | StreamedReply;

export const isStreamed = (reply: Reply): reply is StreamedReply => 'stream' in reply;

/** Cancels the source of a reply that will not be read to its end. */
export function discard(reply: Reply): void {
  // A source that fails now, or has failed already, holds nothing.
  if (isStreamed(reply)) {
    reply.stream.cancel().catch(() => {});
    reply.lease?.end();
  } else reply.sent?.();
}

/**
 * A chunk of a bot's stream. JavaScript streams may carry any value, and a value without a length would escape the memory
 * limit.
 * @throws TypeError if the chunk is not bytes
 */
export function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError(`a response body's chunks must be Uint8Array, not ${typeof chunk}`);
}

/** The whole body, or why there is none. In that case the stream is cancelled. */
export type Collected = { readonly kind: 'whole'; readonly body: Buffer } | { readonly kind: 'too-large' | 'too-slow' };

/** Reads a stream to its end. @param deadlineAt limits streams that never end @throws the error of the stream */
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
