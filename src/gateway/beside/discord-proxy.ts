import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request as send } from 'undici';
import { endToEnd } from '../../protocol/headers.ts';
import type { RateLimit } from './rate-limit.ts';

/** Routes that a token in the path authorizes. Discord's limit of requests a second does not count them. */
const TOKEN_IN_PATH = /^(?:\/v\d+)?\/(?:interactions|webhooks)\/[^/?]+\/[^/?]/;

/** A request to Discord. */
export interface ProxiedRequest {
  readonly method: string;
  /** After the API's root: version, path and query. */
  readonly target: string;
  /** Alternating name and value. */
  readonly headers: readonly string[];
  readonly body: Readable | Buffer | null;
}

/** A response of Discord with its whole body. */
export interface WholeResponse {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** Sends the bot's requests to Discord, within the pod's share of the bot's rate limit. */
export class DiscordProxy {
  readonly #apiUrl: string;
  readonly #limit: RateLimit;
  readonly #agent = new Agent({ headersTimeout: 60_000, bodyTimeout: 60_000, connections: 64 });

  /** @param apiUrl the root of Discord's API, without the version */
  constructor(apiUrl: string, limit: RateLimit) {
    this.#apiUrl = apiUrl.replace(/\/+$/, '');
    this.#limit = limit;
  }

  /** Passes a request and its response through, both as streams. */
  async pass(request: IncomingMessage, response: ServerResponse, target: string): Promise<void> {
    const body = hasBody(request) ? request : null;
    const upstream = await this.#send({ method: request.method ?? 'GET', target, headers: fieldsOf(request), body });
    response.writeHead(upstream.status, [...upstream.headers]);
    await pipeline(upstream.body, response);
  }

  /** Sends a request whose body is in memory, and reads the whole response. */
  async fetch(request: ProxiedRequest): Promise<WholeResponse> {
    const { status, headers, body } = await this.#send(request);
    return { status, headers, body: await readAll(body) };
  }

  /**
   * The same, for the webhook of an interaction whose first response is on its way: Discord does not know the webhook until it
   * has arrived.
   */
  async fetchEarly(request: ProxiedRequest, isEarly: () => boolean): Promise<WholeResponse> {
    for (;;) {
      const response = await this.fetch(request);
      if (response.status !== 404 || !isEarly()) return response;
      await delay(50);
    }
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  async #send({ method, target, headers, body }: ProxiedRequest): Promise<Upstream> {
    if (!TOKEN_IN_PATH.test(target)) await this.#limit.pass();
    const upstream = await send(this.#apiUrl + target, {
      method: method as 'GET',
      headers: outgoing(headers),
      body,
      dispatcher: this.#agent,
      responseHeaders: 'raw',
    } as Parameters<typeof send>[1]);
    const fields = (upstream.headers as unknown as readonly string[]).map(String);
    return { status: upstream.statusCode, headers: incoming(fields), body: upstream.body };
  }
}

interface Upstream {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Readable;
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** A request's fields, with names in lower case. */
export const fieldsOf = ({ rawHeaders }: IncomingMessage): readonly string[] =>
  rawHeaders.map((part, i) => (i % 2 === 0 ? part.toLowerCase() : part));

async function readAll(stream: AsyncIterable<Buffer | string>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

const outgoing = (fields: readonly string[]): string[] => without(endToEnd(fields), 'host');

/** Libraries need Discord's rate limit headers as they are. */
const incoming = (fields: readonly string[]): string[] =>
  endToEnd(fields.map((part, i) => (i % 2 === 0 ? part.toLowerCase() : part)));

const without = (fields: readonly string[], name: string): string[] =>
  fields.filter((_, i) => fields[i - (i % 2)] !== name);
