import type { APIInteractionResponse, APIMessage } from 'discord-api-types/v10';
import type { InteractionKind, InteractionRecord } from './records.ts';

/**
 * - `answered`: a final response or a modal
 * - `deferred`: a response of type 5 or 6; `settled()` waits for the completion
 * - `timeout`: no response within the deadline; the token is no longer valid
 * - `invalid`: a response that Discord refuses; `problem` has the reason
 * - `error`: the connection failed, or the status was not 200 or 202
 */
export type Outcome = 'answered' | 'deferred' | 'timeout' | 'invalid' | 'error';

/** The outcome of a deferred response. `pending`: not completed within the timeout; `none`: nothing to complete. */
type SettledOutcome = 'completed' | 'expired' | 'pending' | 'none';

export interface Settlement {
  readonly outcome: SettledOutcome;
  /** From sending the interaction to its completion, in milliseconds. */
  readonly elapsedMs: number;
  readonly message: APIMessage | undefined;
}

/** The result of an interaction. */
export interface InteractionResult {
  readonly id: string;
  readonly token: string;
  readonly type: InteractionKind;
  readonly guildId: string | null;
  readonly channelId: string;
  readonly userId: string;
  /** The command's name or the custom id. */
  readonly name: string;
  readonly via: 'http' | 'gateway';
  readonly outcome: Outcome;
  /** The HTTP status of the response to the request; null without a response. */
  readonly status: number | null;
  /** The response headers, with lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** The first response, over HTTP or the callback endpoint, even if Discord refuses it. */
  readonly response: APIInteractionResponse | null;
  readonly responseType: number | null;
  readonly deferred: boolean;
  /** From sending to the first response, in milliseconds. */
  readonly elapsedMs: number;
  /** The reason for an outcome `invalid` or `error`. */
  readonly problem: string | null;
  /** Header `guildway-pod`: the gateway pod that responded. */
  readonly pod: string | null;
  /** Header `guildway-http-pod`: the HTTP pod that responded. */
  readonly httpPod: string | null;
  /** The current state of `@original`. */
  readonly message: APIMessage | undefined;
  /** Waits for the completion of a deferred response, at most `timeoutMs`. Default: the lifetime of the token. */
  settled(timeoutMs?: number): Promise<Settlement>;
}

/** The public part of a result, without token and content. */
export interface InteractionSummary {
  readonly id: string;
  readonly type: InteractionKind;
  readonly guildId: string | null;
  readonly channelId: string;
  readonly userId: string;
  readonly name: string;
  readonly via: 'http' | 'gateway';
  readonly outcome: Outcome;
  readonly status: number | null;
  readonly responseType: number | null;
  readonly elapsedMs: number;
  readonly problem: string | null;
  readonly pod: string | null;
  readonly httpPod: string | null;
  readonly messageId: string | null;
}

/** The state after the first response or its timeout. */
export interface FirstResponse {
  readonly via: 'http' | 'gateway';
  readonly outcome: Outcome;
  readonly status: number | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly elapsedMs: number;
  readonly problem: string | null;
  readonly response: APIInteractionResponse | null;
  /** The time of sending, on the clock of `performance.now()`. */
  readonly sentAt: number;
}

interface ResultSources {
  readonly record: InteractionRecord;
  readonly first: FirstResponse;
  readonly message: (id: string) => APIMessage | undefined;
  readonly expired: (record: InteractionRecord) => boolean;
}

const MAX_WAIT_MS = 15 * 60_000;

export function createResult(sources: ResultSources): InteractionResult {
  const { record, first } = sources;
  const original = () => (record.originalId === null ? undefined : sources.message(record.originalId));
  const settlement = (): Settlement => ({
    outcome: !record.loading ? 'completed' : sources.expired(record) ? 'expired' : 'pending',
    elapsedMs: (record.completedAt ?? performance.now()) - first.sentAt,
    message: original(),
  });
  return {
    id: record.id,
    token: record.token,
    type: record.type,
    guildId: record.guildId,
    channelId: record.channelId,
    userId: record.userId,
    name: record.name,
    via: first.via,
    outcome: first.outcome,
    status: first.status,
    headers: first.headers,
    response: first.response,
    responseType: first.response?.type ?? null,
    deferred: first.outcome === 'deferred',
    elapsedMs: first.elapsedMs,
    problem: first.problem,
    pod: first.headers['guildway-pod'] ?? null,
    httpPod: first.headers['guildway-http-pod'] ?? null,
    get message() {
      return original();
    },
    settled(timeoutMs = MAX_WAIT_MS) {
      if (first.outcome !== 'deferred' || record.state !== 'answered') {
        return Promise.resolve({ outcome: 'none', elapsedMs: first.elapsedMs, message: original() });
      }
      if (!record.loading) return Promise.resolve(settlement());
      return new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          resolve(settlement());
        };
        const timer = setTimeout(done, timeoutMs);
        record.onComplete.push(done);
      });
    },
  };
}

export function summarize(result: InteractionResult): InteractionSummary {
  return {
    id: result.id,
    type: result.type,
    guildId: result.guildId,
    channelId: result.channelId,
    userId: result.userId,
    name: result.name,
    via: result.via,
    outcome: result.outcome,
    status: result.status,
    responseType: result.responseType,
    elapsedMs: result.elapsedMs,
    problem: result.problem,
    pod: result.pod,
    httpPod: result.httpPod,
    messageId: result.message?.id ?? null,
  };
}
