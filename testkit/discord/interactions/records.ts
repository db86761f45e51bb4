import { randomUUID } from 'node:crypto';
import type { APIInteractionResponse } from 'discord-api-types/v10';
import type { Clock } from '../clock.ts';
import { INTERACTION_TOKEN_MS } from '../options.ts';
import type { SnowflakeSource } from '../snowflake.ts';
import { Fifo } from '../store/fifo.ts';

/** 1 ping, 2 command, 3 component, 4 autocomplete, 5 modal submit. */
export type InteractionKind = 1 | 2 | 3 | 4 | 5;

/** The state of an interaction. `dead`: no response in time, or an invalid response. */
type InteractionState = 'waiting' | 'answered' | 'dead';

/** Discord's record of an interaction while its token is valid. */
export interface InteractionRecord {
  readonly id: string;
  readonly token: string;
  readonly type: InteractionKind;
  readonly guildId: string | null;
  readonly channelId: string;
  readonly userId: string;
  /** The command's name, or the custom id of the component or modal. */
  readonly name: string;
  /** 1 slash command, 2 user, 3 message command; 0 for the rest. */
  readonly commandType: number;
  /** The message whose component was used, including for a modal that the component opened. */
  readonly sourceMessageId: string | null;
  /** Unix milliseconds on the simulator's clock. */
  createdAt: number;
  state: InteractionState;
  responseType: number | null;
  response: APIInteractionResponse | null;
  /** The id of the message `@original`. */
  originalId: string | null;
  /** True while a deferred response is not completed. */
  loading: boolean;
  /** The completion time of a deferred response, on the clock of `performance.now()`. */
  completedAt: number | null;
  /** The number of deliveries; Discord delivers once. */
  deliveries: number;
  /** Called once each, on the first response. */
  readonly onAnswer: (() => void)[];
  /** Called once each, when `loading` ends. */
  readonly onComplete: (() => void)[];
}

export type NewRecord = Pick<
  InteractionRecord,
  'type' | 'guildId' | 'channelId' | 'userId' | 'name' | 'commandType' | 'sourceMessageId'
>;

const MAX_RECORDS = 250_000;

/** Interactions by id while their tokens are valid. Above a bound, the oldest are forgotten earlier. */
export class InteractionRecords {
  readonly #clock: Clock;
  readonly #ids: SnowflakeSource;
  readonly #byId = new Map<string, InteractionRecord>();
  readonly #order = new Fifo<InteractionRecord>();

  constructor(clock: Clock, ids: SnowflakeSource) {
    this.#clock = clock;
    this.#ids = ids;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** @param identity the id and token of a payload that was built elsewhere */
  create(facts: NewRecord, identity?: { id: string; token: string }): InteractionRecord {
    this.#prune();
    const id = identity?.id ?? this.#ids.next();
    const record: InteractionRecord = {
      id,
      token: identity?.token ?? createInteractionToken(id),
      type: facts.type,
      guildId: facts.guildId,
      channelId: facts.channelId,
      userId: facts.userId,
      name: facts.name,
      commandType: facts.commandType,
      sourceMessageId: facts.sourceMessageId,
      createdAt: this.#clock.now(),
      state: 'waiting',
      responseType: null,
      response: null,
      originalId: null,
      loading: false,
      completedAt: null,
      deliveries: 0,
      onAnswer: [],
      onComplete: [],
    };
    this.#byId.set(id, record);
    this.#order.push(record);
    return record;
  }

  get(id: string): InteractionRecord | undefined {
    return this.#byId.get(id);
  }

  /** The interaction of a token, even if the token has expired. */
  byToken(token: string): InteractionRecord | undefined {
    const id = /^interaction:(\d+):/.exec(Buffer.from(token, 'base64').toString('latin1'))?.[1];
    const record = id === undefined ? undefined : this.#byId.get(id);
    return record?.token === token ? record : undefined;
  }

  expired(record: InteractionRecord): boolean {
    return this.#clock.now() - record.createdAt > INTERACTION_TOKEN_MS;
  }

  /** Forgets an interaction some time after its token expired. The token is then unknown instead of expired. */
  #prune(): void {
    const oldest = this.#clock.now() - INTERACTION_TOKEN_MS - 300_000;
    for (let record = this.#order.first(); record !== undefined; record = this.#order.first()) {
      if (record.createdAt >= oldest && this.#order.size < MAX_RECORDS) return;
      this.#order.shift();
      this.#byId.delete(record.id);
    }
  }
}

/** A token in Discord's form: base64 of `interaction:<id>:<random>`, more than 128 characters. */
export function createInteractionToken(id: string): string {
  // UUIDs come from a pool of random bytes. That costs a tenth of a separate call for random bytes.
  return Buffer.from(`interaction:${id}:${randomUUID()}${randomUUID()}${randomUUID()}`).toString('base64');
}

/** Ends `loading` and calls the waiting callbacks. */
export function complete(record: InteractionRecord): void {
  if (!record.loading) return;
  record.loading = false;
  record.completedAt = performance.now();
  for (const done of record.onComplete.splice(0)) done();
}
