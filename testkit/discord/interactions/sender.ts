import type { Clock } from '../clock.ts';
import type { Feed } from '../feed.ts';
import type { WebhookSigner } from '../keys.ts';
import type { Misbehaviour } from '../misbehaviour.ts';
import { DiscordError } from '../rest/errors.ts';
import type { MessageStore } from '../store/messages.ts';
import type { Violations } from '../violations.ts';
import { Poster, type PostFailure, type PostReply } from './post.ts';
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
  /** Sends an INTERACTION_CREATE to the guild's sessions. @returns how many got it */
  readonly dispatch: (guildId: string | null, json: string) => number;
}

const NO_HEADERS = Object.freeze({});
const JSON_HEADERS = Object.freeze({
  'content-type': 'application/json',
  'user-agent': 'Discord-Interactions/1.0 (+https://discord.com)',
});

/** Delivers interactions, by HTTP where a URL is set and over the gateway where not, and waits for the first response. */
export class InteractionSender {
  readonly #parts: SenderParts;
  #poster: Poster | null = null;
  #sent = 0;

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  get url(): string | null {
    return this.#poster?.url ?? null;
  }

  /** @throws TypeError when it is not a URL */
  setUrl(url: string | null): void {
    if (url === this.url) return;
    const next = url === null ? null : new Poster(url);
    void this.#poster?.close();
    this.#poster = next;
  }

  /** How many interactions were sent. */
  get sent(): number {
    return this.#sent;
  }

  /** @param headers replace or add to those that Discord sends */
  async send(record: InteractionRecord, body: Buffer, headers?: Record<string, string>): Promise<InteractionResult> {
    this.#sent++;
    const sentAt = performance.now();
    const first = await (this.#poster === null
      ? this.#overGateway(record, body, sentAt)
      : this.#overHttp(this.#poster, record, body, headers, sentAt));
    const { messages, records, feed, probeEvery } = this.#parts;
    const result = createResult({
      record,
      first,
      message: (id) => messages.get(id)?.message,
      expired: (one) => records.expired(one),
    });
    if (feed.active) {
      feed.publish({ type: 'interaction', interaction: summarize(result) });
      if (result.deferred) publishCompletion(feed, record, sentAt);
    }
    if (probeEvery > 0 && this.#sent % probeEvery === 0) void this.probe(body);
    return result;
  }

  /**
   * Sends a body with a wrong signature, as Discord does now and then. An endpoint that takes it is removed.
   * @returns the status, or 0 when there was no response
   */
  async probe(body: Buffer): Promise<{ status: number }> {
    const poster = this.#poster;
    if (poster === null) throw new Error('there is no interactions URL');
    const { signer, clock, violations, deadlineMs } = this.#parts;
    const headers = { ...JSON_HEADERS, ...signer.sign(body, clock.now()) };
    const signature = headers['x-signature-ed25519'];
    headers['x-signature-ed25519'] = (signature.startsWith('0') ? '1' : '0') + signature.slice(1);
    const reply = await poster.post(body, headers, deadlineMs).catch(() => null);
    if (reply !== null && reply.status !== 401) {
      violations.record('bad_signature_accepted', `status ${reply.status}`);
      if (reply.status < 400 && this.#poster === poster) this.setUrl(null);
    }
    return { status: reply?.status ?? 0 };
  }

  /** A PING with a valid signature. @returns whether it was answered as it must be */
  async ping(body: Buffer): Promise<boolean> {
    const { signer, clock, deadlineMs } = this.#parts;
    const headers = { ...JSON_HEADERS, ...signer.sign(body, clock.now()) };
    const reply = await this.#poster?.post(body, headers, deadlineMs).catch(() => null);
    return reply?.status === 200 && (parse(reply) as { type?: unknown } | undefined)?.type === 1;
  }

  async close(): Promise<void> {
    await this.#poster?.close();
  }

  async #overHttp(
    poster: Poster,
    record: InteractionRecord,
    body: Buffer,
    headers: Record<string, string> | undefined,
    sentAt: number,
  ): Promise<FirstResponse> {
    const { signer, clock, deadlineMs, misbehaviour } = this.#parts;
    const signed = { ...JSON_HEADERS, ...signer.sign(body, clock.now()), ...headers };
    const describe = describer('http', sentAt);
    let reply: PostReply;
    try {
      reply = await poster.post(body, signed, deadlineMs);
    } catch (error) {
      const failure = error as PostFailure;
      // The callback endpoint may have been used although the request itself got no response.
      if (record.state === 'answered') return describe(null, answeredOutcome(record), null);
      record.state = 'dead';
      return describe(null, failure.kind, failure.message);
    }
    const elapsedMs = performance.now() - sentAt;
    if (misbehaviour.inlineDelayMs > 0) await misbehaviour.pause(misbehaviour.inlineDelayMs);
    return this.#judge(record, reply, describe, elapsedMs, deadlineMs);
  }

  async #judge(
    record: InteractionRecord,
    reply: PostReply,
    describe: ReturnType<typeof describer>,
    elapsedMs: number,
    deadlineMs: number,
  ): Promise<FirstResponse> {
    if (reply.status === 202 && reply.body.length === 0) {
      const answered = await waitForAnswer(record, deadlineMs - elapsedMs);
      return answered
        ? describe(reply, answeredOutcome(record), null)
        : describe(reply, 'timeout', 'no callback within the deadline');
    }
    if (record.state === 'answered' && reply.body.length === 0)
      return describe(reply, answeredOutcome(record), null, elapsedMs);
    if (reply.status !== 200) {
      if (record.state === 'waiting') record.state = 'dead';
      return describe(reply, 'error', `status ${reply.status}`, elapsedMs);
    }
    const response = parse(reply);
    if (response === undefined) {
      if (record.state === 'waiting') record.state = 'dead';
      return describe(reply, 'invalid', 'the body is not JSON of type application/json', elapsedMs);
    }
    try {
      this.#parts.responder.answer(record, response, []);
    } catch (error) {
      // Any response to a second delivery of the same interaction is reported, and changes nothing.
      if (record.state === 'answered') return describe(reply, answeredOutcome(record), problemOf(error), elapsedMs);
      record.state = 'dead';
      return describe(reply, 'invalid', problemOf(error), elapsedMs);
    }
    return describe(reply, answeredOutcome(record), null, elapsedMs);
  }

  async #overGateway(record: InteractionRecord, body: Buffer, sentAt: number): Promise<FirstResponse> {
    const describe = describer('gateway', sentAt);
    const delivered = this.#parts.dispatch(record.guildId, body.toString());
    if (delivered === 0) {
      record.state = 'dead';
      return describe(null, 'timeout', 'no session for this shard, and no interactions URL');
    }
    const answered = await waitForAnswer(record, this.#parts.deadlineMs);
    return answered
      ? describe(null, answeredOutcome(record), null)
      : describe(null, 'timeout', 'no callback within the deadline');
  }
}

function describer(via: 'http' | 'gateway', sentAt: number) {
  return (
    reply: PostReply | null,
    outcome: FirstResponse['outcome'],
    problem: string | null,
    elapsedMs = performance.now() - sentAt,
  ): FirstResponse => ({
    via,
    outcome,
    status: reply?.status ?? null,
    headers: reply?.headers ?? NO_HEADERS,
    elapsedMs,
    problem,
    sentAt,
  });
}

const answeredOutcome = (record: InteractionRecord) =>
  record.responseType === 5 || record.responseType === 6 ? 'deferred' : 'answered';

function problemOf(error: unknown): string {
  if (!(error instanceof DiscordError)) return String(error);
  return JSON.stringify(error.body);
}

function parse(reply: PostReply): unknown {
  if (!/^application\/json\b/i.test(reply.headers['content-type'] ?? '')) return undefined;
  try {
    return JSON.parse(reply.body.toString()) as unknown;
  } catch {
    return undefined;
  }
}

function publishCompletion(feed: Feed, record: InteractionRecord, sentAt: number): void {
  const publish = () => {
    const elapsedMs = (record.completedAt ?? performance.now()) - sentAt;
    feed.publish({ type: 'completed', id: record.id, elapsedMs, messageId: record.originalId });
  };
  if (record.loading) {
    record.onComplete ??= [];
    record.onComplete.push(publish);
  } else {
    publish();
  }
}

/** @returns false, and the interaction is dead, when nobody answered in time */
function waitForAnswer(record: InteractionRecord, timeoutMs: number): Promise<boolean> {
  if (record.state !== 'waiting') return Promise.resolve(record.state === 'answered');
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => {
        record.onAnswer = null;
        record.state = 'dead';
        resolve(false);
      },
      Math.max(0, timeoutMs),
    );
    record.onAnswer = () => {
      clearTimeout(timer);
      resolve(true);
    };
  });
}
