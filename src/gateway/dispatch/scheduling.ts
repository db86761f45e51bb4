import type { ScheduleOptions } from '../../bot/scheduling.ts';
import { GuildwayError } from '../../errors.ts';
import { after, asWallTime, type WallTime } from '../../time.ts';
import type { JobStore, NewJob } from '../store/jobs.ts';
import { encodeResult } from './recorded-result.ts';

const MAX_KEY_LENGTH = 200;
const MAX_PAYLOAD_LENGTH = 64 * 1024;

/** Of whom a job is. */
export interface JobOwner {
  /** Null: of no guild. */
  readonly guildId: string | null;
  readonly pod: number;
}

/** The column of a job's guild. @throws GuildwayError JOB_INVALID for a job without a guild at another pod than 0 */
export function guildOfJob({ guildId, pod }: JobOwner): string {
  if (guildId === null && pod !== 0) {
    throw invalid(
      `a job without a guild runs at pod 0, and this is pod ${pod}: schedule it where context.guildId is set, or at pod 0`,
    );
  }
  return guildId ?? '';
}

/** Checks what a handler asks for. @throws GuildwayError JOB_INVALID, saying what is wrong */
export function newJob(
  { names, now }: Pick<JobStore, 'names' | 'now'>,
  owner: JobOwner,
  wanted: { readonly name: string; readonly payload: unknown; readonly options: ScheduleOptions },
): NewJob {
  const { name, payload, options } = wanted;
  assertName(names, name);
  const { key } = options;
  if (key !== undefined) assertKey(key);
  const encoded = encodeResult(payload);
  if (encoded.length > MAX_PAYLOAD_LENGTH) {
    throw invalid(
      `the payload of the job ${name} is ${encoded.length} characters long; the limit is ${MAX_PAYLOAD_LENGTH}: write it to a table of the bot, and pass its key`,
    );
  }
  return { guildId: guildOfJob(owner), name, key: key ?? null, payload: encoded, dueAt: dueAt(options, now()) };
}

/** @throws GuildwayError JOB_INVALID */
export function assertName(names: readonly string[], name: string): void {
  if (names.includes(name)) return;
  const known = names.length === 0 ? 'it declares no jobs' : `its jobs are ${names.join(', ')}`;
  throw invalid(`the bot has no job ${JSON.stringify(name)}: ${known}`);
}

/** @throws GuildwayError JOB_INVALID */
export function assertKey(key: string): void {
  if (typeof key === 'string' && key !== '' && key.length <= MAX_KEY_LENGTH) return;
  throw invalid(`the key of a job is a string of 1 to ${MAX_KEY_LENGTH} characters, not ${JSON.stringify(key)}`);
}

function dueAt({ at, inMs }: ScheduleOptions, now: WallTime): WallTime {
  if (at !== undefined && inMs !== undefined)
    throw invalid('a job is due at a moment (at) or after a time (inMs), not both');
  const moment = at === undefined ? after(now, inMs ?? 0) : asWallTime(Number(at));
  // The range of Date.
  if (Math.abs(moment) <= 8.64e15) return asWallTime(Math.max(now, Math.ceil(moment)));
  throw invalid(
    `a job cannot be due at ${String(at ?? inMs)}: "at" is a Date or Unix milliseconds, "inMs" milliseconds`,
  );
}

const invalid = (why: string): GuildwayError => new GuildwayError('JOB_INVALID', why);
