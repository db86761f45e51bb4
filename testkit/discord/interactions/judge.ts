import type { APIInteractionResponse } from 'discord-api-types/v10';
import { DiscordError } from '../rest/errors.ts';
import type { PostFailure, PostReply } from './post.ts';
import type { InteractionRecord } from './records.ts';
import type { Responder } from './responder.ts';
import type { FirstResponse, Outcome } from './result.ts';

type Verdict = Pick<FirstResponse, 'outcome' | 'problem' | 'response'>;

/** Judges the HTTP response to an interaction and applies its effects. @param remainingMs the rest of the deadline */
export async function judgeReply(
  record: InteractionRecord,
  reply: PostReply,
  responder: Responder,
  remainingMs: number,
): Promise<Verdict> {
  if (reply.status === 202 && reply.body.length === 0) return judgeCallback(record, remainingMs);
  if (record.state === 'answered' && reply.body.length === 0) return answeredByCallback(record);
  if (reply.status !== 200) return refuse(record, 'error', `status ${reply.status}`);
  const response = parseJson(reply);
  if (response === undefined) return refuse(record, 'invalid', 'the body is not JSON of type application/json');
  // Discord delivers once. The response to a repeated delivery is reported, but changes nothing.
  if (record.state !== 'waiting' && record.deliveries > 1) {
    return { outcome: outcomeOf(response), problem: null, response };
  }
  try {
    responder.answer(record, response, []);
  } catch (error) {
    const problem = error instanceof DiscordError ? JSON.stringify(error.body) : String(error);
    return { ...refuse(record, 'invalid', problem), response };
  }
  return { outcome: outcomeOf(response), problem: null, response };
}

/** Judges a request without a response. The bot may still have used the callback endpoint. */
export function judgeFailure(record: InteractionRecord, failure: PostFailure): Verdict {
  return record.state === 'answered' ? answeredByCallback(record) : refuse(record, failure.kind, failure.message);
}

/** Waits until the bot uses the callback endpoint. */
export async function judgeCallback(record: InteractionRecord, timeoutMs: number): Promise<Verdict> {
  if (record.state === 'waiting') await answerOrTimeout(record, timeoutMs);
  if (record.state === 'answered') return answeredByCallback(record);
  return refuse(record, 'timeout', 'no callback within the deadline');
}

/** The body of a reply with a JSON content type that is an object; undefined otherwise. */
export function parseJson(reply: PostReply): APIInteractionResponse | undefined {
  if (!/^application\/json\b/i.test(reply.headers['content-type'] ?? '')) return undefined;
  try {
    const value = JSON.parse(reply.body.toString()) as unknown;
    return value !== null && typeof value === 'object' ? (value as APIInteractionResponse) : undefined;
  } catch {
    return undefined;
  }
}

function refuse(record: InteractionRecord, outcome: Outcome, problem: string): Verdict {
  if (record.state === 'waiting') record.state = 'dead';
  return { outcome, problem, response: null };
}

function answeredByCallback({ response }: InteractionRecord): Verdict {
  return { outcome: response === null ? 'answered' : outcomeOf(response), problem: null, response };
}

const outcomeOf = ({ type }: APIInteractionResponse): Outcome => (type === 5 || type === 6 ? 'deferred' : 'answered');

function answerOrTimeout(record: InteractionRecord, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.max(0, timeoutMs));
    record.onAnswer.push(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
