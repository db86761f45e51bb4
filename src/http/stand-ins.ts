import type { GuildwayError } from '../errors.ts';
import { type GatewayRequest, HEADER } from '../link/message.ts';
import type { SeldomLog } from '../observability/seldom-log.ts';
import { HINT_HEADER } from '../protocol/headers.ts';
import { PATH } from '../protocol/paths.ts';
import { type MonotonicTime, remaining, type WallTime } from '../time.ts';
import type { Upstream } from './forward/upstream.ts';
import type { HttpMetrics } from './metrics.ts';

/** A request that is to be kept until its owner is back. */
export interface Hint {
  /** What makes it the same request when it comes again, such as `interaction:1234`. */
  readonly identity: string;
  readonly owner: number;
  readonly guildId: string | null;
  readonly request: GatewayRequest;
  /** The deferred response that its caller got: 5, 6, or 0 for none. */
  readonly deferred: 0 | 5 | 6;
  /** The owner may have carried it out already: when it expires nobody can say that it did not happen. */
  readonly sent: boolean;
  readonly expiresAt: WallTime;
}

/**
 * - `kept`: a pod has it on disk
 * - `nobody`: no pod has it
 * - `unknown`: no pod said that it has it, but one that was asked may
 * - `conflict`: a pod has its identity with another body
 */
export type Keeping =
  | { readonly kind: 'kept'; readonly pod: number }
  | { readonly kind: 'nobody' | 'unknown' | 'conflict' };

/** No single stand-in may use up the time that is left for the next: each gets this part of what is left. */
const ATTEMPT_SHARE = 0.5;

/** Finds a pod that keeps a request for an owner that is away. */
export class StandIns {
  readonly #upstreams: readonly Upstream[];
  readonly #metrics: HttpMetrics;
  readonly #log: SeldomLog;

  constructor(options: { upstreams: readonly Upstream[]; metrics: HttpMetrics; log: SeldomLog }) {
    this.#upstreams = options.upstreams;
    this.#metrics = options.metrics;
    this.#log = options.log;
  }

  /** Stores a hint at (owner + 1) % N, else at the next; at the owner itself last, for one that is slow but alive. */
  async store(hint: Hint, deadlineAt: MonotonicTime): Promise<Keeping> {
    const count = this.#upstreams.length;
    let maybe = false;
    for (let distance = 1; distance <= count; distance++) {
      const standIn = this.#upstreams[(hint.owner + distance) % count] as Upstream;
      // Only a link shows that the peer is one of us: any web server answers a PUT with something.
      if (standIn.link?.state !== 'ready') continue;
      const timeoutMs = remaining(deadlineAt) * ATTEMPT_SHARE;
      if (timeoutMs < 1) break;
      try {
        const { status } = await standIn.request(toRequest(hint), timeoutMs);
        if (status === 201 || status === 200) {
          this.#metrics.hintStored(hint.owner);
          return { kind: 'kept', pod: standIn.ordinal };
        }
        this.#log.warn({ pod: standIn.ordinal, owner: hint.owner, status }, 'a stand-in did not take a hint');
        if (status === 409) return { kind: 'conflict' };
      } catch (error) {
        // It may have been stored before the answer was lost, and then it will be delivered.
        maybe ||= (error as GuildwayError).facts?.sent !== false;
        this.#log.warn(
          { pod: standIn.ordinal, owner: hint.owner, err: error as GuildwayError },
          'a stand-in did not take a hint',
        );
      }
    }
    return { kind: maybe ? 'unknown' : 'nobody' };
  }
}

function toRequest({ identity, owner, guildId, request, deferred, sent, expiresAt }: Hint): GatewayRequest {
  return {
    method: 'PUT',
    target: `${PATH.hints}${encodeURIComponent(identity)}`,
    headers: [
      ...request.headers,
      ...[HINT_HEADER.target, request.target, HINT_HEADER.guild, guildId ?? ''],
      ...[HINT_HEADER.owner, String(owner), HINT_HEADER.sent, sent ? '1' : '0'],
      ...[HEADER.deferred, String(deferred), HEADER.hintExpires, String(expiresAt)],
    ],
    body: request.body,
  };
}
