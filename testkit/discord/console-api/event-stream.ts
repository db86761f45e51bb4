import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FeedEvent } from '../feed.ts';
import type { DiscordSimulator } from '../simulator.ts';

const KEEPALIVE_MS = 15_000;
/** A page that does not read is disconnected. It reconnects by itself. */
const MAX_BACKLOG = 1024 * 1024;

/** Sends the simulator's events to console pages as server-sent events. */
export class EventStream {
  readonly #simulator: DiscordSimulator;
  readonly #clients = new Set<ServerResponse>();
  #unwatch: (() => void) | null = null;
  #keepalive: NodeJS.Timeout | null = null;

  constructor(simulator: DiscordSimulator) {
    this.#simulator = simulator;
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write('retry: 1000\n\n');
    this.#clients.add(response);
    response.on('close', () => this.#leave(response));
    this.#unwatch ??= this.#simulator.watch((event) => this.#publish(event));
    this.#keepalive ??= setInterval(() => this.#write(': still here\n\n'), KEEPALIVE_MS).unref();
  }

  stop(): void {
    for (const client of this.#clients) client.end();
    this.#rest();
  }

  #publish(event: FeedEvent): void {
    this.#write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }

  #write(text: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > MAX_BACKLOG) client.destroy();
      else client.write(text);
    }
  }

  #leave(client: ServerResponse): void {
    this.#clients.delete(client);
    if (this.#clients.size === 0) this.#rest();
  }

  #rest(): void {
    this.#unwatch?.();
    this.#unwatch = null;
    if (this.#keepalive !== null) clearInterval(this.#keepalive);
    this.#keepalive = null;
  }
}
