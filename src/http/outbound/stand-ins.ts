import { certainlyNotSent, type GuildwayError } from '../../errors.ts';
import { type GatewayRequest, HEADER } from '../../link/message.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import { HINT_HEADER } from '../../protocol/headers.ts';
import { PATH } from '../../protocol/paths.ts';
import { type Duration, type MonotonicTime, remaining } from '../../time.ts';
import type { HttpMetrics } from '../metrics/http-metrics.ts';
import type { Upstream } from './upstream.ts';

/** A request that is to be kept until its owner is back. */
export interface Handoff {
  /** What makes it the same request when it comes again, such as `interaction:1234`. */
  readonly identity: string;
  readonly owner: number;
  readonly guildId: string | null;
  readonly request: GatewayRequest;
  /** The deferred response that its caller got: 5, 6, or 0 for none. */
  readonly deferred: 0 | 5 | 6;
  /** The owner may have executed it. When the hint expires, its outcome is unknown. */
  readonly sent: boolean;
  /** For how long it may be executed. */
  readonly lifeMs: Duration;
}

/**
 * - `kept`: a pod has it on disk
 * - `not-stored`: no pod has it
 * - `unknown`: no pod said that it has it, but one that was asked may
 * - `conflict`: a pod has its identity with another body
 */
export type HandoffResult =
  | { readonly kind: 'kept'; readonly pod: number }
  | { readonly kind: 'not-stored' | 'unknown' | 'conflict' };

/** When a stand-in has not answered within this part of the time that is left, the next one is asked as well. */
const PATIENCE_SHARE = 0.5;

/** Finds a pod that keeps a request for an owner that is away. */
export class StandIns {
  readonly #upstreams: readonly Upstream[];
  readonly #metrics: HttpMetrics;
  readonly #log: ThrottledLog;

  constructor(options: { upstreams: readonly Upstream[]; metrics: HttpMetrics; log: ThrottledLog }) {
    this.#upstreams = options.upstreams;
    this.#metrics = options.metrics;
    this.#log = options.log;
  }

  /**
   * Stores a hint at (owner + 1) % N, else at the next; at the owner itself last, for one that is slow but alive. A stand-in that
   * is slow is not given up when the next one is asked: on a busy machine all of them are slow, and each answer in time counts.
   * Two pods may keep the same hint then; its owner applies it once.
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
    const count = this.#upstreams.length;
    for (let distance = 1; distance <= count; distance++) {
      const standIn = this.#upstreams[(owner + distance) % count] as Upstream;
      // Only a link shows that the peer is one of us: any web server answers a PUT with something.
      if (standIn.link?.state === 'ready') yield standIn;
    }
  }

  /** What one pod made of a hint; it never rejects. */
  async #ask(standIn: Upstream, owner: number, request: GatewayRequest, timeoutMs: Duration): Promise<HandoffResult> {
    const pod = standIn.ordinal;
    try {
      const { status } = await standIn.fetch(request, timeoutMs);
      if (status === 201 || status === 200) return { kind: 'kept', pod };
      this.#log.warn({ pod, owner, status }, 'a stand-in did not take a hint');
      return { kind: status === 409 ? 'conflict' : 'not-stored' };
    } catch (error) {
      this.#log.warn({ pod, owner, err: error as GuildwayError }, 'a stand-in did not take a hint');
      // It may have been stored before the answer was lost, and then it will be delivered.
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
