import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HeaderList } from '../../link/message.ts';
import { bodyTooLarge } from './body.ts';
import type { UnreadResponses } from './unread-responses.ts';

export interface ClientStreamOptions {
  readonly maxBodyBytes: number;
  readonly unread: UnreadResponses;
}

/** A streamed request body and a streamed response. */
export class ClientStream {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #options: ClientStreamOptions;
  /** Part of the body has been written, or the response has ended. */
  #flows = false;

  constructor(request: IncomingMessage, response: ServerResponse, options: ClientStreamOptions) {
    this.#request = request;
    this.#response = response;
    this.#options = options;
  }

  /**
   * Streams the body with backpressure.
   * @param onEnd called when the client has sent the whole body
   * @throws GuildwayError BODY_TOO_LARGE if it exceeds MAX_BODY_BYTES
   */
  async *read(onEnd: () => void): AsyncGenerator<Buffer> {
    const { maxBodyBytes } = this.#options;
    this.#request.once('end', onEnd);
    let length = 0;
    // Not the request itself: its receiver destroys it on the first error, which would leave the client without a response.
    for await (const chunk of this.#request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBodyBytes) throw bodyTooLarge(maxBodyBytes);
      yield chunk;
    }
  }

  /** Whether the head of the response was sent. */
  get begun(): boolean {
    return this.#response.headersSent;
  }

  /** Sends the head of the response. @param source resumed when the client has read, after {@link write} returned false */
  begin(status: number, headers: HeaderList, source: { resume(): void }): void {
    const response = this.#response;
    response.writeHead(status, headers as string[]);
    response.on('drain', () => source.resume());
    // Sends the head in this turn, with the first chunk if there is one. The first event of a stream may come much later.
    // `flushHeaders` would write it as UTF-8.
    process.nextTick(() => this.#flows || response.write('', 'latin1'));
  }

  /** @returns false if the client has not read earlier chunks */
  write(chunk: Buffer): boolean {
    this.#flows = true;
    const response = this.#response;
    if (response.write(chunk)) return true;
    if (response.socket !== null) this.#options.unread.wrote(response.socket);
    return false;
  }

  end(): void {
    this.#flows = true;
    this.#response.end();
  }

  /** Ends the connection, so that the client sees that the response is incomplete. */
  cut(): void {
    this.#response.destroy();
  }
}
