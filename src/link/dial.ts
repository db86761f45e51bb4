import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { DispatchError } from '../errors.ts';
import type { Duration } from '../time.ts';
import {
  isNonce,
  LINK_HEADER,
  LINK_PATH,
  LINK_PROTOCOL,
  LINK_VERSION,
  newNonce,
  proof,
  sameProof,
} from './handshake.ts';

export interface DialOptions {
  /** The pod's URL, such as `http://gateway-1.gateway-internal:3000`. Every dial resolves its name again. */
  readonly url: string;
  readonly ordinal: number;
  readonly secret: string;
  readonly connectTimeoutMs: Duration;
}

/** A connection whose server has proved its identity, with the client's proof. */
export interface Dialled {
  readonly socket: Socket;
  /** The bytes after the 101. */
  readonly head: Buffer;
  /** Sets the receiver of further bytes. Must be called in the same turn. */
  onRead: (view: Buffer) => void;
  readonly clientProof: string;
}

/** The limit for the head of a response. Guildway pods never send a longer one. */
const MAX_ANSWER_HEAD = 16 * 1024;
const READ_BUFFER = 64 * 1024;

/**
 * Opens a connection to a gateway pod, which must prove that it is the intended pod.
 *
 * This function writes and reads the upgrade itself, because only a socket that is opened with `onread` reuses one buffer for all reads.
 * Otherwise Node allocates 64 KiB for each read, regardless of its size, and passes it through a stream.
 * @returns null if the peer is an HTTP server without the link
 * @throws DispatchError LINK_UNAVAILABLE (unreachable, not ready) or LINK_REFUSED (another pod, another secret, another version)
 */
export function dial({ url, ordinal, secret, connectTimeoutMs }: DialOptions): Promise<Dialled | null> {
  const clientNonce = newNonce();
  const unavailable = (why: string, cause?: unknown) =>
    new DispatchError('LINK_UNAVAILABLE', 'not-sent', `gateway pod ${ordinal} at ${url}: ${why}`, {
      cause,
      facts: { ordinal },
    });
  const refused = (why: string) =>
    new DispatchError('LINK_REFUSED', 'not-sent', `gateway pod ${ordinal} at ${url}: ${why}`, { facts: { ordinal } });

  /** The client's proof for a pod that has proved its identity; null for a server without the link. */
  const judge = (head: AnswerHead | null): string | null => {
    if (head === null) throw unavailable('its answer is not HTTP');
    const { status, headers } = head;
    if (status === 101) {
      const serverNonce = headers.get(LINK_HEADER.nonce);
      const expected = isNonce(serverNonce) ? proof(secret, 'server', ordinal, clientNonce, serverNonce) : '';
      if (expected === '' || !sameProof(expected, headers.get(LINK_HEADER.proof))) {
        throw refused('it could not prove that it holds LINK_SECRET');
      }
      return proof(secret, 'client', ordinal, clientNonce, serverNonce as string);
    }
    const refusal = headers.get(LINK_HEADER.refusal);
    if (refusal === undefined) return null;
    throw status === 503 ? unavailable(refusal) : refused(refusal);
  };

  return new Promise((resolve, reject) => {
    let answer = Buffer.alloc(0);
    let dialled: Dialled | null = null;
    const socket = open(new URL(url), (chunk) => {
      if (dialled !== null) {
        dialled.onRead(chunk);
        return;
      }
      answer = Buffer.concat([answer, chunk]);
      const end = answer.indexOf('\r\n\r\n');
      if (end === -1) {
        if (answer.length > MAX_ANSWER_HEAD) fail(unavailable('its answer is not HTTP'));
        return;
      }
      try {
        const clientProof = judge(parseHead(answer.toString('latin1', 0, end)));
        clearTimeout(timer);
        // From here on, the new owner of the socket handles its end.
        socket.off('error', onError).off('close', onClose);
        if (clientProof === null) socket.destroy();
        else dialled = { socket, head: answer.subarray(end + 4), onRead: () => {}, clientProof };
        resolve(dialled);
      } catch (error) {
        fail(error as DispatchError);
      }
    });
    const fail = (error: DispatchError): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    // Covers name resolution, connecting and the response, which have no separate limits.
    const timer = setTimeout(() => fail(unavailable(`no answer within ${connectTimeoutMs} ms`)), connectTimeoutMs);
    const onError = (cause: Error): void => fail(unavailable(cause.message, cause));
    const onClose = (): void => fail(unavailable('it closed the connection without a response'));
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.write(
      `GET ${LINK_PATH} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nConnection: Upgrade\r\nUpgrade: ${LINK_PROTOCOL}\r\n` +
        `${LINK_HEADER.version}: ${LINK_VERSION}\r\n${LINK_HEADER.ordinal}: ${ordinal}\r\n${LINK_HEADER.nonce}: ${clientNonce}\r\n\r\n`,
    );
  });
}

/** Opens a socket that uses one buffer for all reads. `onRead` gets a view into it, valid until it returns. */
function open(url: URL, onRead: (chunk: Buffer) => void): Socket {
  const tls = url.protocol === 'https:';
  // URL keeps the brackets of an IPv6 address.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const options = {
    host,
    port: url.port === '' ? (tls ? 443 : 80) : Number(url.port),
    noDelay: true,
    onread: {
      buffer: Buffer.allocUnsafeSlow(READ_BUFFER),
      callback(count: number, buffer: Uint8Array): boolean {
        onRead(Buffer.from(buffer.buffer, buffer.byteOffset, count));
        return true;
      },
    },
  };
  // TLS has no server name for IP addresses.
  return tls ? connectTls({ ...options, ...(isIP(host) ? {} : { servername: host }) }) : connectTcp(options);
}

interface AnswerHead {
  readonly status: number;
  /** By lower-case name. Repeated headers are dropped, because neither value can be trusted. */
  readonly headers: ReadonlyMap<string, string>;
}

/** Strictly parses the head of a response; null if it is not HTTP/1. */
function parseHead(text: string): AnswerHead | null {
  const [statusLine, ...lines] = text.split('\r\n') as [string, ...string[]];
  const status = /^HTTP\/1\.[01] ([1-5][0-9]{2})(?: |$)/.exec(statusLine)?.[1];
  if (status === undefined) return null;
  const headers = new Map<string, string>();
  const twice = new Set<string>();
  for (const line of lines) {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*?)[ \t]*$/.exec(line);
    if (match === null) return null;
    const [, name, value] = match as unknown as [string, string, string];
    const key = name.toLowerCase();
    if (headers.has(key)) twice.add(key);
    headers.set(key, value);
  }
  for (const name of twice) headers.delete(name);
  return { status: Number(status), headers };
}
