import { GuildwayError } from '../errors.ts';
import type { Duration } from '../time.ts';
import type { GatewayRequest, GatewayResponse, HeaderList } from './message.ts';

/**
 * The link's wire format. Every frame is
 *
 *     u32 length of what follows | u8 type | u32 request id | payload
 *
 * with big-endian integers. Method, target and headers travel as one latin-1 string, its parts divided by NUL bytes, which
 * HTTP allows in none of them; a count of the parts beside it makes a smuggled NUL an error and not another header.
 *
 *     REQUEST   u32 timeout in ms | u32 head length | u16 parts | head | body
 *     RESPONSE  u16 status        | u32 head length | u16 parts | head | body
 *     HELLO     JSON
 *     CANCEL, REFUSED, PING, PONG, GOAWAY   no payload; a PONG has the id of its PING
 */
export const FRAME = Object.freeze({
  /** The first frame of each side, with its identity. */
  hello: 1,
  ping: 2,
  pong: 3,
  request: 4,
  response: 5,
  /** The client no longer waits for this request. */
  cancel: 6,
  /** The pod is draining or full. It did not process this request, which may be retried. */
  refused: 7,
  /** The pod accepts no new requests. Those in flight will get responses. */
  goaway: 8,
});

/** Bytes of length, type and id. */
export const FRAME_HEADER = 9;
/** Bytes before the head in a REQUEST, and in a RESPONSE. */
export const REQUEST_FIXED = FRAME_HEADER + 10;
export const RESPONSE_FIXED = FRAME_HEADER + 8;

/** Hard limits of a frame's length field. A longer frame ends the connection before it is buffered. */
export const MAX_HELLO = 256 * 1024;
export const MAX_REQUEST_FRAME = 256 * 1024 + 64 * 1024;
/** The limit for responses. It is higher than MAX_LINK_BODY, because the handler has already run. */
export const MAX_RESPONSE_BODY = 8 * 1024 * 1024;
export const MAX_RESPONSE_FRAME = MAX_RESPONSE_BODY + 64 * 1024;

/** The limit for method, target and headers together. A response has only headers. */
export const MAX_HEAD = 60 * 1024;
/** The number of parts of a head is a u16. */
const MAX_PARTS = 0xffff;

/**
 * Checks a head before any byte of its frame is written. Half a frame would end the link for all guilds.
 * @throws GuildwayError REQUEST_INVALID
 */
export function checkHead(head: string, parts: number): void {
  if (head.length > MAX_HEAD) {
    throw new GuildwayError('REQUEST_INVALID', `the headers have ${head.length} bytes; the link carries ${MAX_HEAD}`);
  }
  if (parts > MAX_PARTS) {
    throw new GuildwayError('REQUEST_INVALID', `there are ${parts / 2} headers; the link carries ${MAX_PARTS >> 1}`);
  }
}

/** A received frame, as a view that stays valid. */
export interface Frame {
  readonly type: number;
  readonly id: number;
  /** The whole frame, including its length field. */
  readonly bytes: Buffer;
}

/** Method, target and headers as the one string that is sent. */
export function requestHead({ method, target, headers }: GatewayRequest): string {
  return headers.length === 0 ? `${method}\0${target}` : `${method}\0${target}\0${headers.join('\0')}`;
}

/**
 * Characters that a field value must not contain (RFC 9110, 5.5), apart from the NUL bytes between the parts: especially CR and LF,
 * which would start another field or response, and characters beyond latin-1, which could become CR or LF on the wire.
 */
const NOT_ALLOWED = /[^\0\t\x20-\x7e\x80-\xff]/;

/** The headers of a response as one string. @throws GuildwayError LINK_PROTOCOL for an invalid character */
export function responseHead(headers: HeaderList): string {
  const head = headers.join('\0');
  if (NOT_ALLOWED.test(head))
    throw new GuildwayError('LINK_PROTOCOL', 'a response header has a character that HTTP does not allow');
  return head;
}

const malformed = (what: string) => new GuildwayError('LINK_PROTOCOL', `malformed frame: ${what}`);

function headParts(bytes: Buffer, at: number, length: number, count: number): string[] {
  if (at + length > bytes.length) throw malformed('the head is longer than the frame');
  if (count === 0) {
    if (length !== 0) throw malformed('a head without parts');
    return [];
  }
  const head = bytes.toString('latin1', at, at + length);
  if (NOT_ALLOWED.test(head)) throw malformed('a character that HTTP does not allow');
  const parts = head.split('\0');
  if (parts.length !== count) throw malformed('the number of parts is wrong');
  return parts;
}

/** Reads a REQUEST frame. @throws GuildwayError LINK_PROTOCOL */
export function parseRequest(frame: Frame): { request: GatewayRequest; timeoutMs: Duration } {
  const { bytes } = frame;
  if (bytes.length < REQUEST_FIXED) throw malformed('a short request');
  const headLength = bytes.readUInt32BE(FRAME_HEADER + 4);
  const count = bytes.readUInt16BE(FRAME_HEADER + 8);
  if (count < 2 || count % 2 !== 0) throw malformed('a request without method or target');
  const headers = headParts(bytes, REQUEST_FIXED, headLength, count);
  const [method, target] = headers.splice(0, 2) as [string, string];
  return {
    request: { method, target, headers, body: bytes.subarray(REQUEST_FIXED + headLength) },
    timeoutMs: bytes.readUInt32BE(FRAME_HEADER),
  };
}

/** Reads a RESPONSE frame. @throws GuildwayError LINK_PROTOCOL */
export function parseResponse(frame: Frame): GatewayResponse {
  const { bytes } = frame;
  if (bytes.length < RESPONSE_FIXED) throw malformed('a short response');
  const status = bytes.readUInt16BE(FRAME_HEADER);
  const headLength = bytes.readUInt32BE(FRAME_HEADER + 2);
  const count = bytes.readUInt16BE(FRAME_HEADER + 6);
  if (status < 200 || status > 599) throw malformed('an impossible status');
  if (count % 2 !== 0) throw malformed('a header without value');
  const headers = headParts(bytes, RESPONSE_FIXED, headLength, count);
  return { status, headers, body: bytes.subarray(RESPONSE_FIXED + headLength) };
}
