import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { GuildwayError } from '../errors.ts';
import {
  isNonce,
  LINK_HEADER,
  LINK_PATH,
  LINK_PROTOCOL,
  LINK_VERSION,
  newNonce,
  proof,
  sameProof,
  single,
} from './handshake.ts';

export interface DialOptions {
  /** The pod's URL, such as `http://gateway-1.gateway-internal:3000`. Its name is resolved anew by every dial. */
  readonly url: string;
  readonly ordinal: number;
  readonly secret: string;
  readonly connectTimeoutMs: number;
}

/** A connection on which the server has proved who it is, and what proves the client. */
export interface Dialled {
  readonly socket: Socket;
  /** What was read after the 101. */
  readonly head: Buffer;
  readonly clientProof: string;
}

/**
 * Opens a connection to a gateway pod and lets it prove that it is the pod that was meant.
 * @returns null when the peer is an HTTP server that does not know the link
 * @throws GuildwayError LINK_UNAVAILABLE (unreachable, not ready) or LINK_REFUSED (another pod, another secret, another version)
 */
export function dial({ url, ordinal, secret, connectTimeoutMs }: DialOptions): Promise<Dialled | null> {
  const clientNonce = newNonce();
  const unavailable = (why: string, cause?: unknown) =>
    new GuildwayError('LINK_UNAVAILABLE', `gateway pod ${ordinal} at ${url}: ${why}`, {
      cause,
      facts: { ordinal, sent: false },
    });
  const refused = (why: string) =>
    new GuildwayError('LINK_REFUSED', `gateway pod ${ordinal} at ${url}: ${why}`, { facts: { ordinal, sent: false } });

  return new Promise((resolve, reject) => {
    const start = url.startsWith('https:') ? httpsRequest : httpRequest;
    const request = start(new URL(LINK_PATH, url), {
      agent: false,
      headers: {
        connection: 'upgrade',
        upgrade: LINK_PROTOCOL,
        [LINK_HEADER.version]: String(LINK_VERSION),
        [LINK_HEADER.ordinal]: String(ordinal),
        [LINK_HEADER.nonce]: clientNonce,
      },
    });
    // Covers name resolution, connecting and the answer: none of them has a limit of its own.
    const timer = setTimeout(
      () => request.destroy(new Error(`no answer within ${connectTimeoutMs} ms`)),
      connectTimeoutMs,
    );
    request.once('close', () => clearTimeout(timer));
    request.on('error', (cause) => reject(unavailable(cause.message, cause)));
    request.on('response', (response) => {
      const refusal = single(response.headers, LINK_HEADER.refusal);
      // Its body is of no interest, and the connection is not used again.
      response.destroy();
      if (refusal === undefined) resolve(null);
      else if (response.statusCode === 503) reject(unavailable(refusal));
      else reject(refused(refusal));
    });
    request.on('upgrade', (response, socket, head) => {
      clearTimeout(timer);
      const serverNonce = single(response.headers, LINK_HEADER.nonce);
      const expected = isNonce(serverNonce) ? proof(secret, 'server', ordinal, clientNonce, serverNonce) : '';
      if (expected === '' || !sameProof(expected, response.headers[LINK_HEADER.proof])) {
        socket.destroy();
        reject(refused('it could not prove that it holds LINK_SECRET'));
        return;
      }
      resolve({
        socket: socket as Socket,
        head,
        clientProof: proof(secret, 'client', ordinal, clientNonce, serverNonce as string),
      });
    });
    request.end();
  });
}
