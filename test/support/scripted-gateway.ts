import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { DiscordSimulator } from '../../testkit/discord/index.ts';

/** One connection of a client. */
export interface ScriptedConnection {
  /** Whether the client connected to the resume address instead of the general one. */
  readonly atResumeUrl: boolean;
  readonly socket: WebSocket;
  send(payload: object): void;
  /** Begins a session. */
  ready(): void;
  resumed(sequence: number): void;
  event(sequence: number, name?: string): void;
}

/** The script of the gateway. Omitted parts behave like Discord. `n` counts from 1. */
export interface GatewayScript {
  readonly onOpen?: (connection: ScriptedConnection, n: number) => void;
  readonly onIdentify?: (connection: ScriptedConnection, n: number) => void;
  readonly onResume?: (connection: ScriptedConnection, n: number, data: ResumeData) => void;
  /** Answers `GET /gateway/bot`. */
  readonly onGatewayBot?: (n: number) => { readonly status: number; readonly body?: object } | null;
  /** Default: long enough for a busy machine, because a late acknowledgement would end the connection. */
  readonly heartbeatMs?: number;
}

interface ResumeData {
  readonly session_id: string;
  readonly seq: number;
}

export interface ScriptedGateway extends AsyncDisposable {
  /** The number of occurrences of each event. */
  readonly seen: { opened: number; identifies: number; resumes: number; gatewayBot: number };
  readonly resumeUrl: string;
  /** The configuration of a pod for this Discord. */
  readonly discord: DiscordSimulator;
}

/** A scripted Discord for the real library. */
export async function startScriptedGateway(script: GatewayScript = {}): Promise<ScriptedGateway> {
  const seen = { opened: 0, identifies: 0, resumes: 0, gatewayBot: 0 };
  const server: Server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    if (!(request.url ?? '').endsWith('/gateway/bot')) {
      response.end('[]');
      return;
    }
    const answer = script.onGatewayBot?.(++seen.gatewayBot) ?? null;
    const session_start_limit = { total: 1_000, remaining: 1_000, reset_after: 1, max_concurrency: 16 };
    if (answer === null) response.end(JSON.stringify({ url, shards: 1, session_start_limit }));
    else response.writeHead(answer.status).end(JSON.stringify(answer.body ?? {}));
  });
  let isClosed = false;
  const sockets = new WebSocketServer({ server });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `ws://127.0.0.1:${port}`;
  const resumeUrl = `${url}/resume`;
  sockets.on('connection', (socket, request) => {
    if (isClosed) socket.terminate();
    const send = (payload: object): void => socket.send(JSON.stringify(payload));
    const dispatch = (t: string, s: number, d: object): void => send({ op: 0, t, s, d });
    const connection: ScriptedConnection = {
      atResumeUrl: (request.url ?? '').startsWith('/resume'),
      socket,
      send,
      ready: () =>
        dispatch('READY', 1, {
          ...{ v: 10, user: { id: '1' }, guilds: [], session_id: `session-${seen.identifies}` },
          ...{ resume_gateway_url: resumeUrl, shard: [0, 1], application: { id: '1', flags: 0 } },
        }),
      resumed: (sequence) => dispatch('RESUMED', sequence, {}),
      event: (sequence, name = 'MESSAGE_CREATE') =>
        dispatch(name, sequence, { guild_id: '102860784329052160', content: String(sequence), author: { id: '2' } }),
    };
    seen.opened++;
    if (script.onOpen === undefined) send({ op: 10, d: { heartbeat_interval: script.heartbeatMs ?? 5_000 } });
    else script.onOpen(connection, seen.opened);
    socket.on('message', (data) => {
      const { op, d } = JSON.parse(String(data)) as { op: number; d: ResumeData };
      if (op === 1) send({ op: 11 });
      if (op === 2) {
        seen.identifies++;
        if (script.onIdentify === undefined) connection.ready();
        else script.onIdentify(connection, seen.identifies);
      }
      if (op === 6) {
        seen.resumes++;
        if (script.onResume === undefined) connection.resumed(d.seq);
        else script.onResume(connection, seen.resumes, d);
      }
    });
  });
  return {
    seen,
    resumeUrl,
    discord: { token: 'token', applicationId: '1', apiUrl: `http://127.0.0.1:${port}` } as unknown as DiscordSimulator,
    async [Symbol.asyncDispose]() {
      isClosed = true;
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
