import type { IncomingMessage, ServerResponse } from 'node:http';
import type { APIInteractionResponse } from 'discord-api-types/v10';
import type { Callbacks } from './callbacks.ts';
import { type DiscordProxy, fieldsOf, type ProxiedRequest, type WholeResponse } from './discord-proxy.ts';
import { sendError, sendNothing, sendWhole } from './rest-response.ts';

/** Discord's limits: of a JSON body, and of a message with files. */
const MAX_JSON = 1024 * 1024;
const MAX_FILES = 100 * 1024 * 1024;

const ALREADY_ACKNOWLEDGED = 40060;
const MESSAGE = 4;
const DEFERRED_MESSAGE = 5;
const DEFERRED_UPDATE = 6;
const UPDATE = 7;

export interface CallbackRouteOptions {
  readonly proxy: DiscordProxy;
  readonly callbacks: Callbacks;
  /** The id of the application, whose webhook completes an interaction. */
  readonly applicationId: () => string;
}

/** A request of the bot for `POST /interactions/:id/:token/callback`. */
export interface CallbackRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly id: string;
  readonly token: string;
  /** Version, path and query. */
  readonly target: string;
}

/**
 * The bot's first response to an interaction. One that came through the HTTP pods is answered there: the pod takes the response
 * and holds the bot's call until it has left. What an HTTP answer cannot carry goes to Discord's REST API: files, and a response
 * of which the bot wants the message.
 */
export class CallbackRoute {
  readonly #options: CallbackRouteOptions;

  constructor(options: CallbackRouteOptions) {
    this.#options = options;
  }

  async serve(call: CallbackRequest): Promise<void> {
    const { request, response, id, token, target } = call;
    const { callbacks, proxy } = this.#options;
    switch (callbacks.stateOf(id)) {
      case 'answered':
        request.resume();
        sendError(response, 400, ALREADY_ACKNOWLEDGED, 'Interaction has already been acknowledged.');
        return;
      case 'unknown':
        // It came with an event of the gateway.
        await proxy.pass(request, response, target);
        return;
      case 'open':
        break;
    }
    const type = request.headers['content-type'] ?? '';
    const wantsMessage = /[?&]with_response=(?:true|1)\b/i.test(target);
    const isJson = type.startsWith('application/json');
    const body = await readLimited(request, isJson ? MAX_JSON : MAX_FILES);
    if (body === null) {
      sendError(response, 413, 40005, 'Request entity too large');
    } else if (isJson && !wantsMessage) {
      const given = parse(body);
      if (given === null) {
        sendError(response, 400, 50109, 'The request body contains invalid JSON.');
        return;
      }
      await callbacks.answer(id, token, { kind: 'response', response: given });
      sendNothing(response);
    } else {
      const outcome = await this.#atDiscord({ method: 'POST', target, headers: fieldsOf(request), body }, token, id);
      if (outcome.status < 300) await callbacks.answer(id, token, { kind: 'at-discord' });
      sendWhole(response, outcome);
    }
  }

  /** Sends the response to Discord. While the bot took its time, the user may have got a deferred response: then it is completed. */
  async #atDiscord(request: ProxiedRequest, token: string, id: string): Promise<WholeResponse> {
    const response = await this.#options.proxy.fetch(request);
    if (response.status !== 400 || codeOf(response) !== ALREADY_ACKNOWLEDGED) return response;
    return (await this.#complete(request, token, id)) ?? response;
  }

  /** Null: this response cannot complete a deferred one. */
  async #complete(request: ProxiedRequest, token: string, id: string): Promise<WholeResponse | null> {
    const original = `/v10/webhooks/${this.#options.applicationId()}/${encodeURIComponent(token)}/messages/@original`;
    const whole = new Response(request.body as Buffer<ArrayBuffer>, { headers: { 'content-type': typeOf(request) } });
    let sent: FormData | string;
    let given: APIInteractionResponse | null;
    if (typeOf(request).startsWith('application/json')) {
      given = parse(request.body as Buffer);
      sent = JSON.stringify(given !== null && 'data' in given ? given.data : {});
    } else {
      const form = await whole.formData();
      given = parse(Buffer.from(String(form.get('payload_json'))));
      form.set('payload_json', JSON.stringify(given !== null && 'data' in given ? given.data : {}));
      sent = form;
    }
    const type = given?.type;
    if (type === DEFERRED_MESSAGE || type === DEFERRED_UPDATE) {
      // The user has a deferred response already, as the bot wants.
      return completed(id, type, await this.#options.proxy.fetch({ method: 'GET', target: original, ...NOTHING }));
    }
    if (type !== MESSAGE && type !== UPDATE) return null;
    const edit = new Response(sent);
    const contentType = typeof sent === 'string' ? 'application/json' : (edit.headers.get('content-type') as string);
    const edited = await this.#options.proxy.fetch({
      method: 'PATCH',
      target: original,
      headers: ['content-type', contentType],
      body: Buffer.from(await edit.arrayBuffer()),
    });
    return completed(id, type, edited);
  }
}

const NOTHING = { headers: [], body: null };

/** The answer to a callback, as Discord gives it: with the message that the user sees. */
function completed(id: string, type: number, whole: WholeResponse): WholeResponse {
  if (whole.status !== 200) return whole;
  const message = JSON.parse(whole.body.toString()) as { id: string };
  const interaction = { id, type: 2, response_message_id: message.id };
  const body = Buffer.from(JSON.stringify({ interaction, resource: { type, message } }));
  return { status: 200, headers: ['content-type', 'application/json'], body };
}

const typeOf = ({ headers }: ProxiedRequest): string => headers[headers.indexOf('content-type') + 1] ?? '';

function codeOf({ body }: WholeResponse): unknown {
  try {
    return (JSON.parse(body.toString()) as { code?: unknown }).code;
  } catch {
    return undefined;
  }
}

function parse(body: Buffer): APIInteractionResponse | null {
  try {
    const value = JSON.parse(body.toString()) as { type?: unknown } | null;
    return typeof value?.type === 'number' ? (value as APIInteractionResponse) : null;
  } catch {
    return null;
  }
}

/** Null: the body is larger. */
export async function readLimited(request: IncomingMessage, limit: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    // The rest is read and dropped, so that the client gets the response.
    if (size <= limit) chunks.push(chunk as Buffer);
  }
  return size > limit ? null : Buffer.concat(chunks);
}
