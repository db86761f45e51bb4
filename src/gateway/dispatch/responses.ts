import { type GatewayResponse, HEADER, type HeaderList } from '../../link/message.ts';

const NOTHING = Buffer.alloc(0);

const JSON_TYPE: HeaderList = Object.freeze(['content-type', 'application/json']);

/** A response with a JSON body. */
export function json(status: number, value: unknown, headers: HeaderList = []): GatewayResponse {
  return { status, headers: [...JSON_TYPE, ...headers], body: Buffer.from(JSON.stringify(value)) };
}

/** A JSON response that tells a person what is wrong. */
export function problem(status: number, error: string, headers: HeaderList = []): GatewayResponse {
  return json(status, { error }, headers);
}

/** A {@link problem} from this pod, not from the bot. The bot may have carried the request out. @param status 500 or more */
export function failed(status: number, error: string, headers: HeaderList = []): GatewayResponse {
  return problem(status, error, [HEADER.failure, headerText(error), ...headers]);
}

export function empty(status: number, headers: HeaderList = []): GatewayResponse {
  return { status, headers, body: NOTHING };
}

/** The pod serves nothing at present and did nothing. The request may be sent again. */
export const notServing = (why: string): GatewayResponse =>
  problem(503, why, [HEADER.refusal, headerText(why), 'retry-after', '1']);

/** The pod serves no guilds until the topologies agree, and did nothing. */
export const held = (why: string, headers: HeaderList): GatewayResponse =>
  problem(503, why, [HEADER.held, headerText(why), 'retry-after', '5', ...headers]);

/** A reason may quote the operating system, such as the resolver. A header allows printable ASCII only. */
const headerText = (text: string): string => text.replace(/[^\x20-\x7e]+/g, ' ');
