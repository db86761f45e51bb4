import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { closeInTime } from '../../end-socket.ts';
import { DispatchError, GuildwayError } from '../../errors.ts';
import { HEADER, type HeaderList } from '../../link/message.ts';
import { podStatement } from '../../protocol/pod-statement.ts';
import type { Duration, MonotonicTime } from '../../time.ts';
import { fieldsOf, responseHeaders } from '../inbound/headers.ts';
import type { Redirect } from './call.ts';
import type { OwnerClient } from './owner-client.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';
import type { Upstream } from './upstream.ts';

export interface UpgradeOptions {
  readonly owners: OwnerClient;
  readonly guildId: string | null;
  /** Path and query in their normal form. */
  readonly target: string;
  /** The caller's, with an 'error' listener. It is this function's from now on. */
  readonly socket: Duplex;
  /** What the caller has sent after its request. */
  readonly head: Buffer;
  readonly headers: HeaderList;
  readonly deadlineAt: MonotonicTime;
  readonly httpPod: string;
  readonly requestId: string;
  /** The websocket is open; it ends with {@link socket}. */
  readonly onTunnel: (tunnel: Tunnel) => void;
}

/** What a pod answered: a switch of protocols, or a response like any other. */
interface Opened {
  readonly pod: Upstream;
  readonly response: IncomingMessage;
  /** Null: it did not switch. */
  readonly socket: Duplex | null;
  readonly head: Buffer;
}

/**
 * Joins a caller that asks for a websocket with the owner; afterwards bytes pass both ways until either ends.
 * @returns when it has ended: the pod that answered, and its status
 * @throws GuildwayError when no pod answered; nothing has gone out to the caller
 */
export async function forwardUpgrade(options: UpgradeOptions): Promise<{ pod: number; status: number }> {
  const { socket } = options;
  const opened = await openAtOwner(options);
  const { response, pod } = opened;
  const status = response.statusCode as number;
  const switched = opened.socket !== null;
  socket.write(
    headBlock(`${status} ${response.statusMessage ?? ''}`, [
      ...responseHeaders(fieldsOf(response.rawHeaders)),
      ...[HEADER.pod, String(pod.ordinal), HEADER.httpPod, options.httpPod, HEADER.requestId, options.requestId],
      // An ordinary response without a length: the end of the connection is the end of the body.
      ...(switched ? ['connection', 'upgrade', 'upgrade', response.headers.upgrade ?? ''] : ['connection', 'close']),
    ]),
    'latin1',
  );
  if (opened.socket === null) {
    response.once('close', () => closeInTime(socket));
    response.pipe(socket);
  } else options.onTunnel(openTunnel(socket, options.head, opened.socket, opened.head));
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  response.destroy();
  return { pod: pod.ordinal, status };
}

function openAtOwner({ owners, guildId, ...options }: UpgradeOptions): Promise<Opened> {
  const { target, headers, deadlineAt, socket } = options;
  let opened: Opened;
  return new Promise((resolve, reject) => {
    const call = owners.routeToGateway(guildId, target, {
      ...{ method: 'GET', headers, body: Buffer.alloc(0), deadlineAt, streams: true },
      ...{ attemptsUntil: deadlineAt, anyPod: false },
      // Nothing of the new protocol has passed yet, so that it may be tried again like any GET.
      repeatable: 'always',
      async overPlain(pod, _path, timeoutMs) {
        const outcome = await open(pod, options, timeoutMs);
        if ('redirect' in outcome) return outcome;
        opened = outcome;
        return { done: null };
      },
      onAnswer: () => resolve(opened),
      onFailure: reject,
    });
    socket.once('close', () => call.cancel());
  });
}

type OpenOptions = Omit<UpgradeOptions, 'owners' | 'guildId' | 'onTunnel'>;

/** Makes one attempt. @throws DispatchError */
function open(
  pod: Upstream,
  options: OpenOptions,
  timeoutMs: Duration,
): Promise<Opened | { readonly redirect: Redirect }> {
  const { target, socket: caller } = options;
  const start = pod.url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    let begun = false;
    // Throws at once for a header that it does not send, and this promise rejects with that.
    const outgoing = start(new URL(pod.url), {
      agent: false,
      method: 'GET',
      path: target,
      lookup: pod.lookup,
      headers: [
        ...options.headers,
        ...pod.plainHeaders('GET', target, timeoutMs),
        ...['connection', 'upgrade', 'upgrade', 'websocket'],
      ],
    });
    const gone = (): void => {
      outgoing.destroy(new DispatchError('CANCELLED', begun ? 'unknown' : 'not-sent', 'the client disconnected'));
    };
    const timer = setTimeout(() => outgoing.destroy(new Error('no answer in time')), Math.max(1, timeoutMs));
    const settle = (): void => {
      clearTimeout(timer);
      caller.off('close', gone);
    };
    caller.once('close', gone);
    if (caller.destroyed) gone();
    outgoing.once('socket', (socket) => socket.once('connect', () => (begun = true)));
    outgoing.on('error', (cause) => {
      settle();
      reject(cause instanceof GuildwayError ? cause : pod.plainError(cause, { begun }));
    });
    outgoing.once('upgrade', (response, socket, head) => {
      settle();
      resolve({ pod, response, socket, head });
    });
    outgoing.once('response', (response) => {
      settle();
      const status = response.statusCode as number;
      const statement = podStatement(status, fieldsOf(response.rawHeaders));
      if (statement === null || statement.kind === 'failed' || statement.kind === 'held') {
        resolve({ pod, response, socket: null, head: Buffer.alloc(0) });
        return;
      }
      response.resume();
      if (statement.kind === 'redirect') resolve({ redirect: statement });
      else reject(pod.refusal(status, statement.why));
    });
    outgoing.end();
  });
}

/** The start of an HTTP response, as it is written to a socket. */
function headBlock(status: string, headers: HeaderList): string {
  let block = `HTTP/1.1 ${status}\r\n`;
  for (let i = 0; i < headers.length; i += 2) block += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${block}\r\n`;
}
