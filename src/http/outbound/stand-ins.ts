import { certainlyNotSent, type GuildwayError } from '../../errors.ts';
import { type GatewayRequest, HEADER } from '../../link/message.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import { HINT_HEADER } from '../../protocol/headers.ts';
import { PATH } from '../../protocol/paths.ts';
import { type Duration, type MonotonicTime, remaining } from '../../time.ts';
import type { HttpMetrics } from '../metrics/http-metrics.ts';
import type { Upstream } from './upstream.ts';
import type { Upstreams } from './upstreams.ts';

/** A request to store until its owner is back. */
export interface Handoff {
  /** Identifies repetitions of the request, such as `interaction:1234`. */
  readonly identity: string;
  readonly owner: number;
  readonly guildId: string | null;
  readonly request: GatewayRequest;
  /** The type of the deferred response that the client got: 5, 6, or 0 for none. */
  readonly deferred: 0 | 5 | 6;
  /** The owner may have executed it. When the hint expires, its outcome is unknown. */
  readonly sent: boolean;
  /** The time during which it may be executed. */
  readonly lifeMs: Duration;
}

/**
 * - `kept`: a pod has it on disk
 * - `not-stored`: no pod has it
 * - `unknown`: no pod confirmed it, but one may have it
 * - `conflict`: a pod has the same identity with another body
 */
export type HandoffResult =
  | { readonly kind: 'kept'; readonly pod: number }
  | { readonly kind: 'not-stored' | 'unknown' | 'conflict' };

/** If a stand-in has not responded within this share of the remaining time, the next one is asked as well. */
const PATIENCE_SHARE = 0.5;

/** Finds a pod that stores a request for an absent owner. */
export class StandIns {
  readonly #upstreams: Pick<Upstreams, 'list' | 'topology'>;
  readonly #metrics: HttpMetrics;
  readonly #log: ThrottledLog;

  constructor(options: { upstreams: Pick<Upstreams, 'list' | 'topology'>; metrics: HttpMetrics; log: ThrottledLog }) {
    this.#upstreams = options.upstreams;
    this.#metrics = options.metrics;
    this.#log = options.log;
  }

  /**
   * Stores a hint at pod (owner + 1) % N, else at the next one. The owner itself comes after them, in case it is slow but alive. Pods that
   * the newest topology does not have are last, because they are about to end. A slow stand-in
   * stays in the race when the next one is asked, because on a busy machine all of them are slow. Two pods may then store the same hint;
   * the owner applies it once.
   */
  store(handoff: Handoff, deadlineAt: MonotonicTime): Promise<HandoffResult> {
    const request = toRequest(handoff);
    const candidates = this.#candidates(handoff.owner);
    const { promise, resolve } = Promise.withResolvers<HandoffResult>();
    let timer: NodeJS.Timeout | undefined;
    let open = 0;
    let maybe = false;
    let over = false;
    const end = (result: HandoffResult): void => {
      over = true;
      clearTimeout(timer);
      resolve(result);
    };
    const askNext = (): void => {
      if (over) return;
      clearTimeout(timer);
      const leftMs = remaining(deadlineAt);
      const standIn = leftMs < 1 ? undefined : candidates.next().value;
      if (standIn === undefined) {
        if (open === 0) end({ kind: maybe ? 'unknown' : 'not-stored' });
        return;
      }
      open++;
      timer = setTimeout(askNext, leftMs * PATIENCE_SHARE);
      void this.#ask(standIn, handoff.owner, request, leftMs).then((result) => {
        open--;
        if (over) return;
        if (result.kind === 'unknown') maybe = true;
        if (result.kind === 'not-stored' || result.kind === 'unknown') askNext();
        else {
          if (result.kind === 'kept') this.#metrics.hintStored(handoff.owner);
          end(result);
        }
      });
    };
    askNext();
    return promise;
  }

  *#candidates(owner: number): Generator<Upstream, undefined> {
    const { list, topology } = this.#upstreams;
    const { pods } = topology;
    const inOrder = Array.from({ length: pods }, (_, distance) => (owner + 1 + distance) % pods);
    for (const standIn of [...inOrder.map((ordinal) => list[ordinal]), ...list.slice(pods)]) {
      // Only a link proves that the peer is a Guildway pod. Any web server responds to a PUT somehow.
      if (standIn?.link?.state === 'ready') yield standIn;
    }
  }

  /** The result of storing a hint at one pod. Never rejects. */
  async #ask(standIn: Upstream, owner: number, request: GatewayRequest, timeoutMs: Duration): Promise<HandoffResult> {
    const pod = standIn.ordinal;
    try {
      const { status } = await standIn.fetch(request, timeoutMs);
      if (status === 201 || status === 200) return { kind: 'kept', pod };
      this.#log.warn({ pod, owner, status }, 'a stand-in did not accept a hint');
      return { kind: status === 409 ? 'conflict' : 'not-stored' };
    } catch (error) {
      this.#log.warn({ pod, owner, err: error as GuildwayError }, 'a stand-in did not accept a hint');
      // The pod may have stored it before the response was lost, and will then deliver it.
      return { kind: certainlyNotSent(error) ? 'not-stored' : 'unknown' };
    }
  }
}

function toRequest({ identity, owner, guildId, request, deferred, sent, lifeMs }: Handoff): GatewayRequest {
  return {
    method: 'PUT',
    target: `${PATH.hints}${encodeURIComponent(identity)}`,
    headers: [
      ...request.headers,
      ...[HINT_HEADER.target, request.target, HINT_HEADER.guild, guildId ?? ''],
      ...[HINT_HEADER.owner, String(owner), HINT_HEADER.sent, sent ? '1' : '0'],
      ...[HEADER.deferred, String(deferred), HINT_HEADER.lifeMs, String(lifeMs)],
    ],
    body: request.body,
  };
}
