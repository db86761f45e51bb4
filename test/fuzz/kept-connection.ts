/** A client's persistent connection, like that of a load balancer. */
import { connect, type Socket } from 'node:net';
import { takeResponse, WireError, type WireResponse } from './wire.ts';

/** The time limit for a response. */
const PATIENCE_MS = 5_000;

/** The response to a request. */
export interface Kept {
  /** Null if the connection ended before the response was complete. */
  readonly response: WireResponse | null;
  /** All received bytes. */
  readonly text: string;
}

export class KeptConnection implements Disposable {
  readonly #port: number;
  #socket: Socket | null = null;
  #text = '';
  #changed = (): void => {};

  constructor(port: number) {
    this.#port = port;
  }

  /**
   * Sends one request in one or several parts and reads its response. Reconnects if the peer has ended the connection.
   * @throws WireError for bytes that are not HTTP, for unexpected bytes, and for a missing response
   */
  async ask(method: string, parts: readonly string[]): Promise<Kept> {
    const kept = this.#socket;
    const first = await this.#askOnce(method, parts);
    // The peer may end a persistent connection while a request is in transit. Clients then retry.
    return first.text === '' && kept !== null ? this.#askOnce(method, parts) : first;
  }

  async #askOnce(method: string, parts: readonly string[]): Promise<Kept> {
    const socket = await this.#open();
    if (this.#text !== '') throw new WireError(`unexpected bytes: ${JSON.stringify(this.#text.slice(0, 200))}`);
    for (const part of parts) await new Promise((resolve) => socket.write(part, 'latin1', resolve));
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const ended = socket.destroyed || socket.readableEnded;
      let taken: ReturnType<typeof takeResponse>;
      try {
        taken = this.#text === '' ? null : takeResponse(this.#text, method, ended);
      } catch (error) {
        throw new WireError(`${(error as Error).message} in ${JSON.stringify(this.#text.slice(0, 2_000))}`);
      }
      const text = this.#text;
      if (taken !== null) {
        this.#text = taken.rest;
        if (taken.response.status < 200) continue;
        if (taken.response.last) this.#drop();
        return { response: taken.response, text: text.slice(0, text.length - taken.rest.length) };
      }
      if (ended) {
        this.#drop();
        return { response: null, text };
      }
      if (performance.now() > end)
        throw new WireError(`nothing more came after ${JSON.stringify(text.slice(0, 2_000))}`);
      await this.#change(end - performance.now());
    }
  }

  [Symbol.dispose](): void {
    this.#drop();
  }

  async #open(): Promise<Socket> {
    if (this.#socket !== null && !this.#socket.destroyed && !this.#socket.readableEnded) return this.#socket;
    this.#drop();
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      if (this.#socket === socket) this.#text += chunk.toString('latin1');
      this.#changed();
    });
    socket.on('error', () => {});
    socket.on('end', () => this.#changed()).on('close', () => this.#changed());
    await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
    return socket;
  }

  #change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#changed = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #drop(): void {
    this.#socket?.destroy();
    this.#socket = null;
    this.#text = '';
  }
}
