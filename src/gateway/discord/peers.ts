import { signPlainRequest } from '../../link/auth.ts';
import { type GatewayResponse, HEADER } from '../../link/message.ts';
import { gatewayUrl } from '../../routing/gateway-url.ts';
import type { Duration } from '../../time.ts';

/** A request to another gateway pod. */
export interface PeerRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Bytes, or what is sent as JSON. */
  readonly body?: unknown;
  /** How long the other pod may take. */
  readonly waitMs: Duration;
  readonly signal: AbortSignal;
}

/** Time for a response to arrive, in addition to the other pod's time. */
const TRANSIT_MS = 1_000;

/** The other gateway pods, over plain HTTP with the proof that this is a pod. */
export class Peers {
  readonly #urlTemplate: string;
  readonly #secret: string;

  constructor({ urlTemplate, secret }: { urlTemplate: string; secret: string }) {
    this.#urlTemplate = urlTemplate;
    this.#secret = secret;
  }

  /**
   * @returns null when the pod does not answer in time
   * @throws only when `signal` aborts
   */
  async ask(ordinal: number, { method, path, body, waitMs, signal }: PeerRequest): Promise<GatewayResponse | null> {
    signal.throwIfAborted();
    try {
      const response = await fetch(`${gatewayUrl(this.#urlTemplate, ordinal)}${path}`, {
        method,
        headers: {
          'content-type': body instanceof Uint8Array ? 'application/octet-stream' : 'application/json',
          [HEADER.auth]: signPlainRequest(this.#secret, ordinal, method, path),
          [HEADER.deadlineMs]: String(Math.max(1, Math.floor(waitMs))),
        },
        ...(body === undefined ? {} : { body: body instanceof Uint8Array ? body : JSON.stringify(body) }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(waitMs + Math.min(waitMs, TRANSIT_MS))]),
      });
      const bytes = Buffer.from(await response.arrayBuffer());
      return { status: response.status, headers: [...response.headers].flat(), body: bytes };
    } catch {
      signal.throwIfAborted();
      return null;
    }
  }
}
