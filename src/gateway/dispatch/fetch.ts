import type { Bot } from '../../bot/define-bot.ts';
import { errorCode } from '../../errors.ts';
import { type GatewayResponse, HEADER, type HeaderList } from '../../link/message.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import { fieldValue } from '../../protocol/headers.ts';
import { PATH } from '../../protocol/paths.ts';
import { pathOf } from '../../protocol/target.ts';
import { inMs, type MonotonicTime } from '../../time.ts';
import { type Identity, NO_MEMO, type StepMemo } from '../store/ledger.ts';
import { HandlerContext, type Host } from './context.ts';
import { type Execution, type IdempotentRunner, isStoreError } from './idempotent-runner.ts';
import { identityOfKey, identityOfStripeEvent } from './identity.ts';
import { collect, isStreamed, type Reply } from './reply.ts';
import { type ResponseLease, ResponseMemory } from './response-memory.ts';
import { failed, problem } from './responses.ts';
import { TimeLimit } from './time-limit.ts';
import { fromWebHeaders, toWebRequest } from './web-request.ts';

/** Time limit of a handler that other requests may have joined. */
const HANDLER_LIMIT_MS = 15 * 60_000;

/** The largest response to a request with an identity, because it is held whole so that it can be sent again. */
const MAX_ONCE_RESPONSE = 8 * 1024 * 1024;

const UNSAFE = /^(?!GET$|HEAD$|OPTIONS$)/;
const KEY = /^[\x20-\x7e]{1,255}$/;

/** Bytes of responses in memory at once: a sixth of a gateway pod's memory in the manifests. */
const MAX_RESPONSE_BYTES = 128 * 1024 * 1024;

type Handler = NonNullable<Bot['fetch']>;

export interface FetchDelivery {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: HeaderList;
  /** Whole if {@link needsWholeBody} requires it. */
  readonly body: Buffer | ReadableStream<Uint8Array> | null;
  readonly guildId: string | null;
  readonly requestId: string;
  readonly deadlineAt: MonotonicTime;
  /** Aborts when the client disconnects. */
  readonly signal: () => AbortSignal;
}

/** Whether a request must take effect only once. Its whole body is needed before the handler runs. */
export function needsWholeBody(method: string, path: string, headers: HeaderList): boolean {
  if (!UNSAFE.test(method)) return false;
  return path === PATH.stripe || fieldValue(headers, 'idempotency-key') !== undefined;
}

/** The bot's `fetch`: pages, APIs, and webhooks of services other than Discord. */
export class FetchDispatch {
  readonly #fetch: Handler | null;
  readonly #sessionCookies: readonly string[] | null;
  readonly #host: Host;
  readonly #once: IdempotentRunner;
  readonly #memory = new ResponseMemory(MAX_RESPONSE_BYTES);

  constructor(options: { bot: Bot; host: Host; once: IdempotentRunner }) {
    this.#fetch = options.bot.fetch?.bind(options.bot) ?? null;
    this.#sessionCookies = options.bot.sessionCookies ?? null;
    this.#host = options.host;
    this.#once = options.once;
  }

  /** @throws GuildwayError IDENTITY_REUSED, STORE_FAILED, FENCED, DATABASE_CORRUPT */
  async serve(delivery: FetchDelivery): Promise<Reply> {
    const fetch = this.#fetch;
    if (fetch === null) return problem(404, 'this bot serves no pages');
    const lease = await this.#memory.enter(delivery.deadlineAt, delivery.signal);
    if (lease === null) return failed(503, 'too many responses wait to be read', ['retry-after', '1']);
    try {
      return leased(await this.#serve(fetch, delivery, lease), lease);
    } catch (error) {
      lease.end();
      throw error;
    }
  }

  async #serve(fetch: Handler, delivery: FetchDelivery, lease: ResponseLease): Promise<Reply> {
    const { method, headers, guildId } = delivery;
    const key = fieldValue(headers, 'idempotency-key');
    if (key !== undefined && UNSAFE.test(method) && !KEY.test(key)) {
      return problem(400, 'Idempotency-Key: it must be 1 to 255 printable ASCII characters');
    }
    const identity = identityOf(delivery, this.#sessionCookies);
    if (identity === null) {
      const context = this.#contextOf(delivery, NO_MEMO, delivery.signal);
      const reply = await this.#call(fetch, delivery, context);
      await context.durable();
      // Later chunks of a stream may show later writes.
      return isStreamed(reply) ? { ...reply, durable: context.durable } : reply;
    }
    const { response, replayed } = await this.#once.run(identity, (memo) =>
      this.#callOnce(fetch, delivery, memo, lease),
    );
    if (!replayed) return response;
    this.#host.log.info({ guild: guildId, request: delivery.requestId, kind: identity.key.split(':')[0] }, 'replayed');
    return { ...response, headers: [...response.headers, HEADER.replayed, '1'] };
  }

  /** Runs the handler. Its errors become a 500, except those that are not its fault. */
  async #call(fetch: Handler, delivery: FetchDelivery, context: HandlerContext): Promise<Reply> {
    let request: Request;
    try {
      request = toWebRequest({ ...delivery, signal: context.signal });
    } catch (error) {
      return problem(400, (error as Error).message);
    }
    let given: Response | null = null;
    try {
      given = await fetch(request, context);
      const { status, headers, body } = given;
      // `Response.error()` has status 0.
      if (!(status >= 200 && status <= 599)) throw new RangeError(`the handler's response has status ${status}`);
      if (body !== null && !isReadable(given))
        throw new TypeError('the body of a response must be null or an unread ReadableStream');
      const list = fromWebHeaders(headers);
      return body === null ? { status, headers: list, body: Buffer.alloc(0) } : { status, headers: list, stream: body };
    } catch (error) {
      // Nobody will read the response, and its source would wait.
      if (given?.body && isReadable(given)) given.body.cancel().catch(() => {});
      if (isStoreError(error) || errorCode(error) === 'BODY_TOO_LARGE') throw error;
      context.log.error({ err: errorFacts(error), path: pathOf(delivery.target) }, 'the handler failed');
      return failed(500, `something went wrong; reference ${delivery.requestId}`);
    }
  }

  /** Only success is final: a webhook that was rejected once may succeed when it is repeated. */
  async #callOnce(fetch: Handler, delivery: FetchDelivery, memo: StepMemo, lease: ResponseLease): Promise<Execution> {
    const limit = new TimeLimit(HANDLER_LIMIT_MS);
    const context = this.#contextOf(delivery, memo, limit.signal);
    const response = await limit.within(this.#whole(this.#call(fetch, delivery, context), delivery, lease));
    return { response, final: response.status < 400, context };
  }

  #contextOf(
    { guildId, requestId, deadlineAt }: FetchDelivery,
    memo: StepMemo,
    signal: () => AbortSignal,
  ): HandlerContext {
    return new HandlerContext(this.#host, { guildId, requestId, durability: 'full', memo, deadlineAt, signal });
  }

  async #whole(
    call: Promise<Reply>,
    { target, requestId }: FetchDelivery,
    lease: ResponseLease,
  ): Promise<GatewayResponse> {
    const reply = await call;
    if (!('stream' in reply)) return reply;
    const { status, headers, stream } = reply;
    const collected = await collect(stream, MAX_ONCE_RESPONSE, inMs(HANDLER_LIMIT_MS), lease);
    if (collected.kind === 'whole') return { status, headers, body: collected.body };
    const path = pathOf(target);
    this.#host.log.error(
      { request: requestId, path },
      'a response to a request that takes effect once must be short and finite',
    );
    return problem(500, 'the response is too large');
  }
}

/** Whether a response has a body that can still be read. A handler in JavaScript may return something that is no `Response`. */
const isReadable = ({ body, bodyUsed }: Response): boolean =>
  body instanceof ReadableStream && !body.locked && bodyUsed !== true;

/** Null: the request may be executed each time. */
function identityOf(
  { method, target, headers, body, guildId }: FetchDelivery,
  sessionCookies: readonly string[] | null,
): Identity | null {
  if (!UNSAFE.test(method)) return null;
  const whole = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  if (pathOf(target) === PATH.stripe) return identityOfStripeEvent(whole, guildId);
  const key = fieldValue(headers, 'idempotency-key');
  if (key === undefined) return null;
  return identityOfKey(key, { guildId, method, target, headers, body: whole }, sessionCookies);
}

/** A reply that counts against the memory limit until it is sent. */
function leased(reply: Reply, lease: ResponseLease): Reply {
  if (isStreamed(reply)) return { ...reply, lease };
  lease.hold(reply.body.length);
  return { ...reply, sent: lease.end };
}
