import { setTimeout as sleep } from 'node:timers/promises';
import type { APIMessage } from 'discord-api-types/v10';
import { Pool } from 'undici';
import type { DiscordSimulator, InteractionResult } from '../discord/index.ts';
import { readAnswer, readFinalAnswer } from './answers.ts';
import type { Via } from './history.ts';
import type { SeededRandom } from './random.ts';
import type { Entry, Recorder } from './recorder.ts';

/** The relative frequency of each kind of operation. */
export type Mix = Readonly<Record<Via, number>>;

export const EVERYTHING: Mix = Object.freeze({ interaction: 6, api: 3, webhook: 1, event: 1 });
export const WITHOUT_EVENTS: Mix = Object.freeze({ ...EVERYTHING, event: 0 });
export const INTERACTIONS: Mix = Object.freeze({ interaction: 1, api: 0, webhook: 0, event: 0 });

export interface ClientsOptions {
  readonly simulator: DiscordSimulator;
  /** The URL of the HTTP service. */
  readonly url: string;
  readonly recorder: Recorder;
  readonly random: SeededRandom;
  readonly mix: Mix;
  /** Share of interactions that are slower than Discord's time limit, from 0 to 1. */
  readonly slowShare: number;
  /** How long an HTTP pod waits for an owner. */
  readonly requestTimeoutMs: number;
  /** How long a client waits for the completion of a deferred response. */
  readonly settleMs: () => number;
}

/** Longer than an HTTP pod waits for an owner, so the client gets a deferred response first. */
const SLOW_MS = 2_200;
/** Share of API writes without an Idempotency-Key, which neither clients nor pods may repeat. */
const WITHOUT_KEY = 0.2;
/** A client waits this much longer for an API write than the HTTP pod does. */
const API_PATIENCE_MS = 2_000;
const API_ATTEMPTS = 4;

/** Simulates users and programs: commands, API writes, webhooks, messages. Records each operation as its client saw it. */
export class Clients {
  readonly #options: ClientsOptions;
  readonly #guildIds: readonly string[];
  readonly #api: Pool;
  readonly #running = new Set<Promise<void>>();

  constructor(options: ClientsOptions) {
    this.#options = options;
    this.#guildIds = options.simulator.guilds.ids;
    this.#api = new Pool(options.url, { connections: 64, connectTimeout: 2_000, headersTimeout: 0, bodyTimeout: 0 });
  }

  /** Begins `perSecond` operations a second until the signal aborts, regardless of how many are in flight. */
  async run(perSecond: number, signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    for (let begun = 0; !signal.aborted; ) {
      const due = ((performance.now() - startedAt) / 1_000) * perSecond;
      for (; begun < due; begun++) this.#beginOne();
      await sleep(5, undefined, { signal }).catch(() => {});
    }
  }

  /** Resolves when every operation has its first response, and every deferred one is settled or timed out. */
  async finished(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async close(): Promise<void> {
    await this.#api.destroy();
  }

  #beginOne(): void {
    const { random, slowShare } = this.#options;
    const guildId = random.pick(this.#guildIds);
    const steps = random.chance(0.25) ? 2 : 1;
    const begin = {
      interaction: () => this.#interaction(guildId, steps, random.chance(slowShare)),
      api: () => this.#write(guildId, steps, random.chance(WITHOUT_KEY)),
      webhook: () => this.#webhook(guildId),
      event: () => this.#message(guildId),
    };
    const work = begin[this.#chooseVia()]();
    const tracked = work.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  #chooseVia(): Via {
    const { mix, random } = this.#options;
    const parts = (Object.keys(mix) as Via[]).flatMap((via) => new Array<Via>(mix[via]).fill(via));
    return random.pick(parts);
  }

  async #interaction(guildId: string, steps: number, slow: boolean): Promise<void> {
    const { recorder, simulator, settleMs } = this.#options;
    const entry = recorder.begin({ guildId, via: 'interaction', steps, slow });
    const options = { id: entry.id, steps, ...(slow ? { 'slow-ms': SLOW_MS } : {}) };
    const result = await simulator.interactions.command({ guildId, name: 'operation', options });
    if (result.outcome === 'deferred') {
      recorder.answer(entry, 'deferred');
      await this.#completion(entry, result, settleMs());
    } else if (result.outcome === 'answered') {
      const { fate, note } = readAnswer(contentOf(result.response), entry.id);
      recorder.answer(entry, fate, note);
    } else {
      recorder.answer(entry, 'unknown', `${result.outcome}: ${result.problem}`);
      entry.unanswered = true;
      entry.failedRequests.push(entry.note as string);
    }
  }

  async #completion(entry: Entry, result: InteractionResult, timeoutMs: number): Promise<void> {
    const { outcome, message } = await result.settled(timeoutMs);
    if (outcome !== 'completed') return;
    const { fate, note } = readFinalAnswer((message as APIMessage).content, entry.id);
    this.#options.recorder.settle(entry, fate, note);
  }

  /** A guild API write. With a key the client retries until it knows the outcome. */
  async #write(guildId: string, steps: number, withoutKey: boolean): Promise<void> {
    const { recorder, random } = this.#options;
    const entry = recorder.begin({ guildId, via: 'api', steps });
    const giveUpAt = entry.sentAt + API_ATTEMPTS * this.#options.requestTimeoutMs;
    let certainlyNot = true;
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#writeOnce(entry, withoutKey);
      if (outcome.done) return recorder.answer(entry, 'acknowledged');
      entry.failedRequests.push(outcome.note as string);
      certainlyNot &&= outcome.certainlyNot;
      if (withoutKey || !outcome.repeat || performance.now() > giveUpAt) {
        return recorder.answer(entry, certainlyNot ? 'refused' : 'unknown', outcome.note);
      }
      await sleep(Math.min(2_000, 100 * 2 ** attempt) * random.next());
    }
  }

  async #writeOnce(entry: Entry, withoutKey: boolean): Promise<Attempt> {
    try {
      const response = await this.#api.request({
        method: 'POST',
        path: `/api/guilds/${entry.guildId}/operations`,
        headers: { 'content-type': 'application/json', ...(withoutKey ? {} : { 'idempotency-key': entry.id }) },
        body: JSON.stringify({ operation: entry.id, steps: entry.steps, slowMs: 0 }),
        signal: AbortSignal.timeout(this.#options.requestTimeoutMs + API_PATIENCE_MS),
      });
      const status = response.statusCode;
      await response.body.dump();
      if (status === 201) return { done: true, certainlyNot: false, repeat: false, note: null };
      // 503: the request was not sent to the owner. 502 and 504: the outcome is unknown. This client causes no other status.
      return { done: false, certainlyNot: status === 503, repeat: status >= 500, note: `status ${status}` };
    } catch (error) {
      const { code, name } = error as NodeJS.ErrnoException;
      const note = typeof code === 'string' ? code : name;
      return { done: false, certainlyNot: note === 'ECONNREFUSED', repeat: true, note };
    }
  }

  /** An event webhook. Discord repeats it until the owner, or another pod that stores it, acknowledges it. */
  async #webhook(guildId: string): Promise<void> {
    const { recorder, simulator } = this.#options;
    const entry = recorder.begin({ guildId, via: 'webhook', steps: 1 });
    const data = { id: '1', guild_id: guildId, operation: entry.id };
    const { acknowledged, attempts, status } = await simulator.events.webhook('ENTITLEMENT_CREATE', data);
    const failures = attempts - (acknowledged ? 1 : 0);
    for (let i = 0; i < failures; i++) entry.failedRequests.push('not acknowledged');
    recorder.answer(entry, acknowledged ? 'acknowledged' : 'unknown', acknowledged ? null : `status ${status}`);
  }

  /** A message in a guild. Events have no response, but a resumed session neither misses nor repeats one. */
  async #message(guildId: string): Promise<void> {
    const { recorder, simulator, random } = this.#options;
    const entry = recorder.begin({ guildId, via: 'event', steps: 1 });
    // Delays some handlers, so that they are running when their pod is killed.
    const slowMs = random.chance(0.5) ? random.integer(10, 200) : 0;
    simulator.events.messageCreate({ guildId, content: `operation ${entry.id} ${slowMs}` });
    recorder.answer(entry, 'acknowledged');
  }
}

interface Attempt {
  readonly done: boolean;
  /** This attempt was certainly not executed. */
  readonly certainlyNot: boolean;
  readonly repeat: boolean;
  readonly note: string | null;
}

function contentOf(response: InteractionResult['response']): string {
  const data = response !== null && 'data' in response ? response.data : undefined;
  return data !== undefined && 'content' in data ? String(data.content) : '';
}
