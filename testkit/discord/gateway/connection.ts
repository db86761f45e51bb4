import type { Duplex } from 'node:stream';
import { constants, createDeflate, createZstdCompress, type Deflate, type ZstdCompress } from 'node:zlib';
import type { RawData, WebSocket } from 'ws';
import { parseJson } from '../json.ts';
import type { Violations } from '../violations.ts';
import type { GatewaySession } from './session.ts';

export interface ClientPayload {
  readonly op: number;
  readonly d?: unknown;
}

/** The transport compression that a client asks for in the URL. */
export type Compression = 'zlib-stream' | 'zstd-stream';

interface ConnectionParts {
  readonly socket: WebSocket;
  /** The connection of the websocket. */
  readonly stream: Duplex;
  /** The `Host` of the client's request. */
  readonly host: string;
  readonly compress: Compression | null;
  readonly heartbeatIntervalMs: number;
  readonly violations: Violations;
  readonly onPayload: (connection: GatewayConnection, payload: ClientPayload) => void;
  readonly onClose: (connection: GatewayConnection, code: number, byClient: boolean) => void;
}

const MAX_PAYLOAD = 4096;
const MAX_EVENTS = 120;
const EVENTS_WINDOW_MS = 60_000;

/** One websocket of a client: frames, heartbeats, and the limits on what a client sends. */
export class GatewayConnection {
  readonly host: string;
  /** Unix milliseconds. */
  readonly openedAt = Date.now();
  session: GatewaySession | null = null;
  lastHeartbeatAt: number | null = null;
  /** False if heartbeats get no acknowledgement, so that the client considers the connection dead. */
  acknowledges = true;
  readonly #parts: ConnectionParts;
  readonly #compressor: Deflate | ZstdCompress | null;
  readonly #heartbeatTimer: NodeJS.Timeout;
  #closedByUs = false;
  #corked = false;
  #received = 0;
  #windowEndsAt = 0;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
    this.host = parts.host;
    this.#compressor = parts.compress === null ? null : createCompressor(parts.compress, parts.socket);
    // Discord tolerates heartbeats that are late by a fraction of the interval.
    this.#heartbeatTimer = setTimeout(() => this.#missedHeartbeat(), parts.heartbeatIntervalMs * 1.5 + 1000);
    this.#heartbeatTimer.unref();
    parts.socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    parts.socket.on('error', () => {});
    parts.socket.on('close', (code) => {
      clearTimeout(this.#heartbeatTimer);
      this.#compressor?.close();
      parts.onClose(this, code, !this.#closedByUs);
    });
    this.sendOp(10, { heartbeat_interval: parts.heartbeatIntervalMs, _trace: ['["gateway-simulator"]'] });
  }

  get open(): boolean {
    return this.#parts.socket.readyState === this.#parts.socket.OPEN;
  }

  /** Bytes that are not sent yet. */
  get backlog(): number {
    return this.#parts.socket.bufferedAmount;
  }

  send(frame: string): void {
    if (!this.open) return;
    if (this.#compressor !== null) {
      this.#compressor.write(frame);
      return;
    }
    this.#writeTogether();
    this.#parts.socket.send(frame);
  }

  sendOp(op: number, data: unknown): void {
    this.send(JSON.stringify({ op, d: data, s: null, t: null }));
  }

  close(code: number, reason = ''): void {
    this.#closedByUs = true;
    this.#parts.socket.close(code, reason);
  }

  /** Cuts the connection without a close frame. */
  drop(): void {
    this.#closedByUs = true;
    this.#parts.socket.terminate();
  }

  /** Sends all frames of one turn in one system call. Otherwise system calls dominate a burst of events. */
  #writeTogether(): void {
    if (this.#corked) return;
    const { stream } = this.#parts;
    this.#corked = true;
    stream.cork();
    process.nextTick(() => {
      this.#corked = false;
      stream.uncork();
    });
  }

  #receive(data: RawData, isBinary: boolean): void {
    // Ignores data that was in flight when the simulator closed the connection.
    if (this.#closedByUs) return;
    const bytes = data as Buffer;
    const now = performance.now();
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + EVENTS_WINDOW_MS;
      this.#received = 0;
    }
    this.#received++;
    if (this.#received > MAX_EVENTS) {
      this.#parts.violations.record('gateway_rate_limit', this.#name());
      this.close(4008, 'Rate limited.');
      return;
    }
    const payload = bytes.length > MAX_PAYLOAD || isBinary ? null : parse(bytes);
    if (payload === null) {
      this.#parts.violations.record('gateway_payload', `${this.#name()}: ${bytes.length} bytes`);
      this.close(4002, 'Error while decoding payload.');
    } else if (payload.op === 1) {
      this.#heartbeat();
    } else {
      this.#parts.onPayload(this, payload);
    }
  }

  #heartbeat(): void {
    this.lastHeartbeatAt = Date.now();
    this.#heartbeatTimer.refresh();
    if (this.acknowledges) this.sendOp(11, undefined);
  }

  #missedHeartbeat(): void {
    this.#parts.violations.record('gateway_protocol', `${this.#name()}: no heartbeat`);
    this.close(4009, 'Session timed out.');
  }

  #name(): string {
    const facts = this.session?.facts;
    return facts === undefined ? 'a connection' : `shard ${facts.shard}/${facts.numShards}`;
  }
}

/** One compressed stream for the whole connection. Each payload ends with a flush, which marks its end for clients. */
function createCompressor(kind: Compression, socket: WebSocket): Deflate | ZstdCompress {
  const compressor =
    kind === 'zlib-stream'
      ? createDeflate({ flush: constants.Z_SYNC_FLUSH })
      : createZstdCompress({ flush: constants.ZSTD_e_flush });
  compressor.on('data', (chunk: Buffer) => socket.send(chunk, { binary: true }));
  compressor.on('error', () => socket.terminate());
  return compressor;
}

function parse(bytes: Buffer): ClientPayload | null {
  try {
    const payload = parseJson(bytes.toString());
    const valid = payload !== null && typeof payload === 'object' && typeof (payload as ClientPayload).op === 'number';
    return valid ? (payload as ClientPayload) : null;
  } catch {
    return null;
  }
}
