import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Readable } from 'node:stream';
import { Agent, request as send } from 'undici';
import { request as httpRequest, STATUS_CODES } from '../../node-http.ts';
import { type HeaderList, isHopByHop, isInternal } from '../../protocol/headers.ts';
import { problem } from '../dispatch/responses.ts';
import { refuseUpgrade } from '../websocket/refuse.ts';

const NO_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/** The bot's own web server, on a port of the loopback. */
export class BotWeb {
  readonly #port: number;
  readonly #agent = new Agent({ connections: 256, headersTimeout: 0, bodyTimeout: 0 });

  constructor(port: number) {
    this.#port = port;
  }

  /** Passes a request to the bot, and its response back, both as streams. */
  readonly fetch = async (request: Request): Promise<Response> => {
    const { pathname, search, host } = new URL(request.url);
    const fields = [...request.headers].filter(([name]) => name !== 'host').flat();
    let answer: Awaited<ReturnType<typeof send>>;
    try {
      answer = await send(`http://127.0.0.1:${this.#port}${pathname}${search}`, {
        method: request.method as 'GET',
        headers: ['host', host, ...fields],
        body: request.body === null ? null : Readable.fromWeb(request.body as Parameters<typeof Readable.fromWeb>[0]),
        signal: request.signal,
        dispatcher: this.#agent,
      });
    } catch (error) {
      if (!isRefused(error)) throw error;
      return new Response("the bot's web server does not answer\n", { status: 502 });
    }
    const headers = new Headers();
    for (const [name, value] of Object.entries(answer.headers)) {
      for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) headers.append(name, one);
    }
    const { statusCode: status } = answer;
    if (NO_BODY.has(status)) {
      await answer.body.dump();
      return new Response(null, { status, headers });
    }
    return new Response(Readable.toWeb(answer.body) as ReadableStream<Uint8Array>, { status, headers });
  };

  /**
   * Opens a websocket at the bot, and joins it with the client's connection.
   * @param own headers that the pod adds to the response
   */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, target: string, own: HeaderList): void {
    const outgoing = httpRequest({
      ...{ host: '127.0.0.1', port: this.#port, path: target, agent: false },
      headers: [...passed(request.rawHeaders), 'connection', 'upgrade', 'upgrade', 'websocket'],
    });
    const refuse = (status: number, why: string): void => {
      const { headers, body } = problem(status, why);
      refuseUpgrade(socket, { status, headers: [...headers, ...own], body });
    };
    socket.once('close', () => outgoing.destroy());
    outgoing.once('error', () => refuse(502, "the bot's web server does not answer"));
    outgoing.once('response', (response) => {
      response.resume();
      refuse(response.statusCode ?? 502, STATUS_CODES[response.statusCode ?? 502] ?? '');
    });
    outgoing.once('upgrade', (response, upstream, first) => {
      const fields = [...passed(response.rawHeaders), 'connection', 'upgrade', 'upgrade', 'websocket', ...own];
      let text = 'HTTP/1.1 101 Switching Protocols\r\n';
      for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
      socket.write(`${text}\r\n`, 'latin1');
      if (first.length > 0) socket.write(first);
      if (head.length > 0) upstream.write(head);
      join(socket, upstream);
    });
    outgoing.end();
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }
}

/** The fields that pass to the other side of an upgrade. */
const passed = (raw: readonly string[]): string[] =>
  raw.filter((_, i) => {
    const name = (raw[i - (i % 2)] as string).toLowerCase();
    return !isHopByHop(name) && !isInternal(name);
  });

function join(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy());
    from.once('close', () => to.destroy());
    from.pipe(to);
  }
}

const isRefused = (error: unknown): boolean => (error as { code?: unknown } | null)?.code === 'ECONNREFUSED';
