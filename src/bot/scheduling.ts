/**
 * The payload of each job, by its name. Declare yours, and `context.schedule` and `run` are typed:
 *
 *     declare module 'guildway' {
 *       interface JobPayloads { closePoll: { pollId: number } }
 *     }
 */
// biome-ignore lint/suspicious/noEmptyInterface: bots add to it
export interface JobPayloads {}

/** The names that {@link JobPayloads} declares; without any, every string. */
export type JobName = [keyof JobPayloads] extends [never] ? string : keyof JobPayloads & string;

/** The payload of a job; `any` JSON value where none is declared. */
export type JobPayload<Name extends string> = Name extends keyof JobPayloads ? JobPayloads[Name] : JsonValue;

/** A value that survives `JSON.stringify`. Bigints do too. */
export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue | undefined };

/** When a job runs. Neither `at` nor `inMs`: as soon as possible. */
export type ScheduleOptions = {
  /**
   * A name for this job of the guild, such as a poll's id: `context.cancel(name, key)` removes it, and the next job that is scheduled
   * with the same name and key replaces it. At most 200 characters.
   */
  readonly key?: string;
} & (
  | {
      /** A moment: a Date, or Unix milliseconds. One that has passed means now. */
      readonly at?: Date | number;
      readonly inMs?: undefined;
    }
  | { readonly inMs?: number; readonly at?: undefined }
);
