/** A strict HTTP/1.1 reader that shares no code with the code under test. */
import { connect, type Socket } from 'node:net';

export interface WireResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** The connection must be closed after it. */
  readonly last: boolean;
}

/** The bytes are not an HTTP response, or there are too many of them. */
export class WireError extends Error {}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The value of a header that may occur once; undefined without it. @throws WireError */
export function only(response: WireResponse, name: string): string | undefined {
  const values = response.headers.filter(([key]) => key === name);
  if (values.length > 1) throw new WireError(`${values.length} ${name} headers`);
  return values[0]?.[1];
}

/**
 * Reads one response from the start of a text.
 * @param method the method of its request
 * @param ended whether the text is complete
 * @returns null if the response is incomplete
 * @throws WireError
 */
export function takeResponse(
  text: string,
  method: string,
  ended: boolean,
): { readonly response: WireResponse; readonly rest: string } | null {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return null;
  const [line = '', ...lines] = text.slice(0, end).split('\r\n');
  const status = /^HTTP\/1\.1 ([1-5][0-9]{2}) [\x20-\x7e]*$/.exec(line)?.[1];
  if (status === undefined) throw new WireError(`no status line: ${JSON.stringify(line.slice(0, 80))}`);
  const headers = lines.map((field) => {
    const colon = field.indexOf(':');
    const name = field.slice(0, colon);
    const value = field.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
    if (!TOKEN.test(name) || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      throw new WireError(`no field: ${JSON.stringify(field)}`);
    return [name.toLowerCase(), value] as const;
  });
  const partial = { status: Number(status), headers, body: '', last: false };
  const tokens = (name: string) =>
    headers.flatMap(([key, value]) => (key === name ? value.split(',').map((part) => part.trim().toLowerCase()) : []));
  const last = tokens('connection').includes('close') || partial.status === 101;
  const rest = text.slice(end + 4);
  const length = only(partial, 'content-length');
  const coding = only(partial, 'transfer-encoding');
  if (length !== undefined && coding !== undefined) throw new WireError('both a length and a coding');
  if (length !== undefined && !/^\d+$/.test(length)) throw new WireError(`content-length: ${length}`);
  if (partial.status < 200) return { response: { ...partial, last }, rest };
  if (method === 'HEAD' || partial.status === 204 || partial.status === 304)
    return { response: { ...partial, last }, rest };
  if (coding !== undefined) {
    const taken = takeChunks(rest);
    return taken === null ? null : { response: { ...partial, body: taken.body, last }, rest: taken.rest };
  }
  if (length === undefined) {
    if (!last) throw new WireError('no length, no coding, and the connection stays');
    return ended ? { response: { ...partial, body: rest, last }, rest: '' } : null;
  }
  if (rest.length < Number(length)) return null;
  return { response: { ...partial, body: rest.slice(0, Number(length)), last }, rest: rest.slice(Number(length)) };
}

function takeChunks(text: string): { readonly body: string; readonly rest: string } | null {
  let at = 0;
  let body = '';
  for (;;) {
    const end = text.indexOf('\r\n', at);
    if (end === -1) return null;
    const line = text.slice(at, end);
    if (!/^[0-9a-fA-F]{1,8}$/.test(line)) throw new WireError(`no chunk: ${JSON.stringify(line.slice(0, 80))}`);
    const size = Number.parseInt(line, 16);
    at = end + 2;
    if (text.length < at + size + 2) return null;
    if (text.slice(at + size, at + size + 2) !== '\r\n') throw new WireError('a chunk without its end');
    body += text.slice(at, at + size);
    at += size + 2;
    if (size === 0) return { body, rest: text.slice(at) };
  }
}

export interface Exchanged {
  readonly responses: readonly WireResponse[];
  /** The bytes after the last complete response. */
  readonly rest: string;
  readonly closed: boolean;
}

/** The time limit for a silent connection. */
const PATIENCE_MS = 5_000;

/**
 * Sends bytes on a new connection and reads the responses, until each request has one or the peer ends the connection or announces its
 * end.
 * @param parts written in order, each after the operating system has accepted the previous one
 * @param methods the methods of the requests, in order
 * @param ends whether the client ends its side after the last part
 * @throws WireError for bytes that are not HTTP, and for a connection that neither responds nor ends
 */
export async function exchange(
  port: number,
  parts: readonly string[],
  methods: readonly string[],
  ends: boolean,
): Promise<Exchanged> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const responses: WireResponse[] = [];
  let text = '';
  let closed = false;
  let failure: WireError | null = null;
  const done = Promise.withResolvers<void>();
  const read = (): void => {
    try {
      while (text !== '') {
        const taken = takeResponse(
          text,
          methods[responses.filter(({ status }) => status >= 200).length] ?? 'GET',
          closed,
        );
        if (taken === null) break;
        responses.push(taken.response);
        text = taken.rest;
      }
    } catch (error) {
      failure = error as WireError;
      done.resolve();
    }
    const finals = responses.filter(({ status }) => status >= 200).length;
    // No bytes may follow the last response: waits for the end of the connection to detect them.
    if (closed || (finals >= methods.length && responses.at(-1)?.last === false)) done.resolve();
  };
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    read();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
    read();
  });
  const timer = setTimeout(() => {
    failure = new WireError(`neither answered nor ended; so far ${JSON.stringify(responses)} ${JSON.stringify(text)}`);
    done.resolve();
  }, PATIENCE_MS);
  await write(socket, parts);
  // Later, because a server may drop a request whose client has ended its side.
  const end = ends ? setTimeout(() => socket.end(), 100) : undefined;
  await done.promise;
  clearTimeout(end);
  clearTimeout(timer);
  // An extra response would arrive now.
  for (let turn = 0; turn < 5 && !closed; turn++) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
  if (failure !== null) throw failure as WireError;
  return { responses, rest: text, closed };
}

async function write(socket: Socket, parts: readonly string[]): Promise<void> {
  for (const [i, part] of parts.entries()) {
    await new Promise((resolve) => socket.write(part, 'latin1', resolve));
    // The server reads in its own turns of the event loop. A pause makes it likely that it reads the parts separately.
    if (i < parts.length - 1)
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}
