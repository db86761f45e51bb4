import { errorCode } from '../../errors.ts';
import { type GatewayRequest, type GatewayResponse, MAX_LINK_BODY, type RequestContext } from '../../link/message.ts';
import { PATH } from '../../protocol/paths.ts';
import type { MonotonicTime } from '../../time.ts';
import { empty, json, problem } from '../dispatch/responses.ts';
import { parseHint } from '../hints/intake.ts';
import type { Agreement } from '../ownership/agreement.ts';
import { parsePodTopology } from '../ownership/pod-topology.ts';
import type { NewHint } from '../store/hints.ts';
import type { Incoming } from './incoming.ts';

export interface InternalOptions {
  /** The state of this pod as plain data. */
  readonly state: () => unknown;
  /** Ids of the guilds of this pod. */
  readonly guilds: () => readonly string[];
  readonly putHint: (hint: NewHint) => Promise<GatewayResponse>;
  /** Grants identify slots. */
  readonly identify: (request: GatewayRequest, context: RequestContext) => Promise<GatewayResponse>;
  readonly agreement: Agreement;
  /** Handles a gateway event that another pod received. */
  readonly takeEvent: (body: Buffer, deadlineAt: MonotonicTime) => Promise<GatewayResponse>;
  /** Handles a message about moving guilds. */
  readonly takeMove: (body: Buffer) => Promise<GatewayResponse>;
}

/** A part of a guild is about 1 MiB, or one row. SQLite's rows have up to 1 GB; one above this limit does not move. */
const MAX_MOVE_BODY = 64 * 1024 * 1024;

/** `/_guildway/*`: requests between pods. HTTP pods never forward a client's request to these paths. */
export class InternalEndpoints {
  readonly #options: InternalOptions;

  constructor(options: InternalOptions) {
    this.#options = options;
  }

  async serve(incoming: Incoming, path: string): Promise<GatewayResponse> {
    const { method } = incoming;
    if (path === PATH.state) return method === 'GET' ? json(200, this.#options.state()) : allow('GET');
    if (path === PATH.guilds) {
      return method === 'GET' ? json(200, { guilds: this.#options.guilds() }) : allow('GET');
    }
    if (path === PATH.identify) return method === 'POST' ? this.#identify(incoming) : allow('POST');
    if (path === PATH.events)
      return method === 'POST'
        ? this.#options.takeEvent(await incoming.readBody(MAX_LINK_BODY), incoming.deadlineAt)
        : allow('POST');
    if (path === PATH.moves)
      return method === 'POST' ? this.#options.takeMove(await incoming.readBody(MAX_MOVE_BODY)) : allow('POST');
    if (path === PATH.topology)
      return method === 'POST' ? serveTopology(this.#options.agreement, incoming) : allow('POST');
    if (path.startsWith(PATH.hints)) return method === 'PUT' ? this.#putHint(incoming, path) : allow('PUT');
    return problem(404, `no ${path.slice(0, 100)}`);
  }

  async #putHint(incoming: Incoming, path: string): Promise<GatewayResponse> {
    const body = await incoming.readBody(MAX_LINK_BODY);
    try {
      const identity = decodeURIComponent(path.slice(PATH.hints.length));
      return await this.#options.putHint(parseHint(identity, incoming.headers, body));
    } catch (error) {
      if (error instanceof URIError || errorCode(error) === 'REQUEST_INVALID')
        return problem(400, (error as Error).message);
      throw error;
    }
  }

  async #identify(incoming: Incoming): Promise<GatewayResponse> {
    const { method, target, headers } = incoming;
    return this.#options.identify({ method, target, headers, body: await incoming.readBody(MAX_LINK_BODY) }, incoming);
  }
}

/** `POST /_guildway/topology`: takes the topology of another pod and answers with this pod's. */
export async function serveTopology(agreement: Agreement, incoming: Incoming): Promise<GatewayResponse> {
  const body = await incoming.readBody(MAX_LINK_BODY);
  try {
    return json(200, agreement.heard(parsePodTopology(body)));
  } catch (error) {
    if (errorCode(error) === 'LINK_PROTOCOL') return problem(400, (error as Error).message);
    throw error;
  }
}

const allow = (method: string): GatewayResponse => empty(405, ['allow', method]);
