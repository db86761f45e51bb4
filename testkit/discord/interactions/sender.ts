import type { Clock } from '../clock.ts';
import type { Feed } from '../feed.ts';
import type { WebhookSigner } from '../keys.ts';
import type { Misbehaviour } from '../misbehaviour.ts';
import type { MessageStore } from '../store/messages.ts';
import type { Violations } from '../violations.ts';
import { judgeCallback, judgeFailure, judgeReply, parseJson } from './judge.ts';
import { type Poster, type PostFailure, type PostReply, PostTarget } from './post.ts';
import type { InteractionRecord, InteractionRecords } from './records.ts';
import type { Responder } from './responder.ts';
import { createResult, type FirstResponse, type InteractionResult, summarize } from './result.ts';

interface SenderParts {
  readonly clock: Clock;
  readonly feed: Feed;
  readonly signer: WebhookSigner;
  readonly messages: MessageStore;
  readonly records: InteractionRecords;
  readonly responder: Responder;
  readonly violations: Violations;
  readonly misbehaviour: Misbehaviour;
  readonly deadlineMs: number;
  readonly probeEvery: number;
  /** Sends an INTERACTION_CREATE to the guild's sessions. @returns the number of sessions that received it */
  readonly dispatch: (guildId: string | null, json: string) => number;
}

const NO_HEADERS = Object.freeze({});
const JSON_HEADERS = Object.freeze({
  'content-type': 'application/json',
  'user-agent': 'Discord-Interactions/1.0 (+https://discord.com)',
});

/** Delivers interactions, over HTTP if a URL is set and else over the gateway. Waits for the first response. */
export class InteractionSender {
  readonly #parts: SenderParts;
  readonly #target = new PostTarget();
  #sent = 0;

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  get url(): string | null {
    return this.#target.url;
  }

  /** @throws TypeError if `url` is not a URL */
  setUrl(url: string | null): void {
    this.#target.setUrl(url);
  }

  /** The number of interactions sent. */
  get sent(): number {
    return this.#sent;
  }

  /** @param headers replace or extend those of Discord */
  async send(record: InteractionRecord, body: Buffer, headers?: Record<string, string>): Promise<InteractionResult> {
    this.#sent++;
    record.deliveries++;
    const first = await (this.#target.poster === null
      ? this.#overGateway(record, body)
      : this.#overHttp(this.#target.poster, record, body, headers));
    const { messages, records, feed, probeEvery } = this.#parts;
    const result = createResult({
      record,
      first,
      message: (id) => messages.get(id)?.message,
      expired: (one) => records.expired(one),
    });
    if (feed.active) {
      feed.publish({ type: 'interaction', interaction: summarize(result) });
      if (result.deferred) publishCompletion(feed, record, first.sentAt);
    }
    if (probeEvery > 0 && this.#sent % probeEvery === 0) void this.probe(body);
    return result;
  }

  /**
   * Sends a body with a wrong signature, as Discord occasionally does. Removes an endpoint that accepts it.
   * @returns the status, or 0 without a response
   */
  async probe(body: Buffer): Promise<{ status: number }> {
    const poster = this.#target.poster;
    if (poster === null) throw new Error('there is no interactions URL');
    const { signer, clock, violations, deadlineMs } = this.#parts;
    const headers = { ...JSON_HEADERS, ...signer.sign(body, clock.now()) };
    const signature = headers['x-signature-ed25519'];
    headers['x-signature-ed25519'] = (signature.startsWith('0') ? '1' : '0') + signature.slice(1);
    const reply = await poster.post(body, headers, deadlineMs).catch(() => null);
    if (reply !== null && reply.status < 400) {
      violations.record('bad_signature_accepted', `status ${reply.status}`);
      if (this.#target.poster === poster) this.setUrl(null);
    } else if (reply !== null && reply.status !== 401) {
      violations.record('bad_signature_answer', `status ${reply.status}`);
    }
    return { status: reply?.status ?? 0 };
  }

  /** Sends a PING with a valid signature. @returns whether the response is a PONG */
  async ping(body: Buffer): Promise<boolean> {
    const { signer, clock, deadlineMs } = this.#parts;
    const headers = { ...JSON_HEADERS, ...signer.sign(body, clock.now()) };
    const reply = await this.#target.poster?.post(body, headers, deadlineMs).catch(() => null);
    return reply?.status === 200 && (parseJson(reply)?.type as number | undefined) === 1;
  }

  async close(): Promise<void> {
    await this.#target.close();
  }

  async #overHttp(
    poster: Poster,
    record: InteractionRecord,
    body: Buffer,
    headers: Record<string, string> | undefined,
  ): Promise<FirstResponse> {
    const { signer, clock, deadlineMs, misbehaviour, responder } = this.#parts;
    const signed = { ...JSON_HEADERS, ...signer.sign(body, clock.now()), ...headers };
    const sentAt = performance.now();
    let reply: PostReply;
    try {
      reply = await poster.post(body, signed, deadlineMs);
    } catch (error) {
      const elapsedMs = performance.now() - sentAt;
      const verdict = judgeFailure(record, error as PostFailure);
      return { via: 'http', status: null, headers: NO_HEADERS, sentAt, elapsedMs, ...verdict };
    }
    const elapsedMs = performance.now() - sentAt;
    if (misbehaviour.inlineDelayMs > 0) await misbehaviour.pause(misbehaviour.inlineDelayMs);
    const verdict = await judgeReply(record, reply, responder, deadlineMs - elapsedMs);
    return {
      via: 'http',
      status: reply.status,
      headers: reply.headers,
      sentAt,
      // An empty 202 is not the response. The time of the callback counts.
      elapsedMs: reply.status === 202 ? performance.now() - sentAt : elapsedMs,
      ...verdict,
    };
  }

  async #overGateway(record: InteractionRecord, body: Buffer): Promise<FirstResponse> {
    const sentAt = performance.now();
    const delivered = this.#parts.dispatch(record.guildId, body.toString());
    const verdict = await judgeCallback(record, delivered === 0 ? 0 : this.#parts.deadlineMs);
    const undelivered = delivered === 0 ? { problem: 'no session for this shard, and no interactions URL' } : {};
    const elapsedMs = performance.now() - sentAt;
    return { via: 'gateway', status: null, headers: NO_HEADERS, sentAt, elapsedMs, ...verdict, ...undelivered };
  }
}

function publishCompletion(feed: Feed, record: InteractionRecord, sentAt: number): void {
  const publish = () => {
    const elapsedMs = (record.completedAt ?? performance.now()) - sentAt;
    feed.publish({ type: 'completed', id: record.id, elapsedMs, messageId: record.originalId });
  };
  if (record.loading) record.onComplete.push(publish);
  else publish();
}
