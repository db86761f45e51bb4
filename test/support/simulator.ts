import { createPublicKey, verify } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { DiscordSimulator } from '../../testkit/discord/index.ts';

/** Polls until `condition` returns a value other than false, null or undefined. @throws Error that names `what` */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 30_000,
): Promise<NonNullable<T>> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== null && value !== undefined) return value as NonNullable<T>;
    if (performance.now() > giveUpAt) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await sleep(5);
  }
}

/** Whether a request has a valid signature, by node:crypto, which is not the implementation that the simulator uses. */
export function isSigned(publicKey: string, headers: IncomingMessage['headers'], body: Buffer): boolean {
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(publicKey, 'hex')]);
  const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
  const message = Buffer.concat([Buffer.from(String(headers['x-signature-timestamp'])), body]);
  return verify(null, message, key, Buffer.from(String(headers['x-signature-ed25519']), 'hex'));
}

// biome-ignore lint/suspicious/noExplicitAny: interactions are read as the JSON they are
export type Json = any;

export interface Endpoint extends AsyncDisposable {
  readonly url: string;
  /** Bodies with a valid signature, in order. */
  readonly received: Json[];
  /** The number of bodies with a wrong signature. */
  readonly rejected: number;
}

export type Answerer = (payload: Json, response: ServerResponse, body: Buffer) => void | Promise<void>;

/** An endpoint for interactions and event webhooks. Verifies signatures, responds to PING, and calls `answer` for the rest. */
export async function startEndpoint(publicKey: () => string, answer: Answerer): Promise<Endpoint> {
  const received: Json[] = [];
  let rejected = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      if (!isSigned(publicKey(), request.headers, body)) {
        rejected++;
        response.writeHead(401).end();
        return;
      }
      const payload = JSON.parse(body.toString());
      if (payload.type === 1 && payload.event === undefined) return reply(response, { type: 1 });
      received.push(payload);
      void answer(payload, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/interactions`,
    received,
    get rejected() {
      return rejected;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function reply(response: ServerResponse, json: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(json));
}

/** Calls the simulator's REST API, with the bot's token unless `token` is null. */
export async function call(
  simulator: DiscordSimulator,
  method: string,
  path: string,
  body?: unknown,
  token: string | null = simulator.token,
): Promise<{ status: number; json: Json; headers: Headers }> {
  const response = await fetch(`${simulator.apiUrl}/v10${path}`, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bot ${token}` }),
      ...(body === undefined || body instanceof FormData ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: text === '' ? undefined : JSON.parse(text), headers: response.headers };
}

/** A bare gateway client, for behaviour that libraries do not have. */
export class RawGatewayClient {
  readonly payloads: Json[] = [];
  closeCode: number | null = null;
  readonly #socket: WebSocket;

  constructor(simulator: DiscordSimulator, path = '/gateway?v=10&encoding=json') {
    this.#socket = new WebSocket(`${simulator.url.replace('http', 'ws')}${path}`);
    this.#socket.on('message', (data) => this.payloads.push(JSON.parse(data.toString())));
    this.#socket.on('close', (code) => {
      this.closeCode = code;
    });
    this.#socket.on('error', () => {});
  }

  send(payload: unknown): void {
    this.#socket.send(typeof payload === 'string' ? payload : JSON.stringify(payload));
  }

  close(code?: number): void {
    this.#socket.close(code);
  }

  /** Waits for a payload with this opcode, or a dispatch of this name. */
  payload(wanted: number | string): Promise<Json> {
    return until(`payload ${wanted}`, () =>
      this.payloads.find((one) => (typeof wanted === 'number' ? one.op === wanted : one.t === wanted)),
    );
  }

  closed(): Promise<number> {
    return until('the connection to close', () => this.closeCode);
  }

  /** Says hello and identifies. @returns READY's data */
  async identify(simulator: DiscordSimulator, facts: Record<string, unknown> = {}): Promise<Json> {
    await this.payload(10);
    this.send({ op: 2, d: { token: simulator.token, intents: 513, properties: {}, shard: [0, 1], ...facts } });
    return (await this.payload('READY')).d;
  }
}
