import { setTimeout as sleep } from 'node:timers/promises';
import type { Fate } from '../../testkit/chaos/history.ts';
import type { DiscordSimulator, InteractionResult, SimulatedGuild } from '../../testkit/discord/index.ts';

/** The text of the notes that the load writes begins so: `staging-17`. */
export const NOTE = 'staging-';

/**
 * One request, as its sender saw it. Times are milliseconds on the clock of the driver's `performance.now()`.
 * - `answered`: a final answer in time
 * - `deferred`: Discord was told that the answer comes later
 * - `unavailable`: a page that said 503, as it should while a guild's owner is away
 * - `failed`: no answer, no valid answer, or one that came too late
 */
export interface Sample {
  readonly id: string;
  readonly kind: 'interaction' | 'page';
  readonly guildId: string;
  readonly sentAt: number;
  outcome: 'pending' | 'answered' | 'deferred' | 'unavailable' | 'failed';
  /** What is known of a note in the end; null for a page. */
  fate: Fate | null;
  elapsedMs: number;
  /** Until a deferred answer was completed. */
  settledMs: number | null;
  pod: string | null;
  httpPod: string | null;
  problem: string | null;
}

type Send = (sample: Sample, guild: SimulatedGuild) => Promise<void>;

/** People who write notes and open guild pages, each at a steady rate that does not wait for answers. */
export class Load {
  readonly samples: Sample[] = [];
  readonly #simulator: DiscordSimulator;
  readonly #targetUrl: string;
  readonly #open = new Set<Promise<void>>();
  readonly #timers: NodeJS.Timeout[] = [];
  #next = 0;

  constructor(simulator: DiscordSimulator, targetUrl: string) {
    this.#simulator = simulator;
    this.#targetUrl = targetUrl;
  }

  /** @param interactions,pages requests a second; 0 ends them */
  setRate(interactions: number, pages: number): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    this.#every(interactions, 'interaction', (sample, guild) => this.#writeNote(sample, guild));
    this.#every(pages, 'page', (sample) => this.#openPage(sample));
  }

  /** Waits for what is in flight and for what was deferred. @returns how many are still open then */
  async settle(timeoutMs: number): Promise<number> {
    const deadline = performance.now() + timeoutMs;
    while (this.#open.size > 0 && performance.now() < deadline) {
      await Promise.race([Promise.all(this.#open), sleep(deadline - performance.now(), undefined, { ref: false })]);
    }
    return this.#open.size;
  }

  #every(perSecond: number, kind: Sample['kind'], send: Send): void {
    if (perSecond === 0) return;
    this.#timers.push(setInterval(() => this.#start(kind, send), 1_000 / perSecond));
  }

  #start(kind: Sample['kind'], send: Send): void {
    const number = this.#next++;
    const { guilds } = this.#simulator;
    const guild = guilds.at(number % guilds.size);
    const sample: Sample = {
      id: `${NOTE}${number}`,
      kind,
      guildId: guild.id,
      sentAt: performance.now(),
      outcome: 'pending',
      fate: kind === 'interaction' ? 'unknown' : null,
      elapsedMs: 0,
      settledMs: null,
      pod: null,
      httpPod: null,
      problem: null,
    };
    this.samples.push(sample);
    const work = send(sample, guild)
      .catch((error: Error) => {
        sample.outcome = 'failed';
        // fetch() says what happened in the cause only.
        const { cause } = error as { cause?: Error };
        sample.problem = cause === undefined ? error.message : `${error.message}: ${cause.message}`;
      })
      .finally(() => this.#open.delete(work));
    this.#open.add(work);
  }

  async #writeNote(sample: Sample, guild: SimulatedGuild): Promise<void> {
    const result = await this.#simulator.interactions.command({
      guildId: sample.guildId,
      name: 'note',
      options: { user: guild.ownerId, text: sample.id },
    });
    sample.elapsedMs = result.elapsedMs;
    sample.pod = result.pod;
    sample.httpPod = result.httpPod;
    sample.problem = result.problem;
    if (result.outcome === 'answered') {
      sample.outcome = 'answered';
      sample.fate = done(result.message?.content, sample) ? 'acknowledged' : 'unknown';
      if (sample.fate === 'unknown') sample.problem = result.message?.content ?? null;
    } else if (result.outcome === 'deferred') {
      sample.outcome = 'deferred';
      sample.fate = 'unresolved';
      await this.#awaitCompletion(sample, result);
    } else {
      sample.outcome = 'failed';
      sample.problem ??= result.outcome;
    }
  }

  async #awaitCompletion(sample: Sample, result: InteractionResult): Promise<void> {
    const { outcome, elapsedMs, message } = await result.settled();
    if (outcome !== 'completed') return;
    sample.settledMs = elapsedMs;
    sample.fate = done(message?.content, sample) ? 'completed' : 'unknown';
    if (sample.fate === 'unknown') sample.problem = message?.content ?? null;
  }

  async #openPage(sample: Sample): Promise<void> {
    const response = await fetch(`${this.#targetUrl}/app/${sample.guildId}`, { signal: AbortSignal.timeout(12_000) });
    await response.arrayBuffer();
    sample.elapsedMs = performance.now() - sample.sentAt;
    sample.pod = response.headers.get('guildway-pod');
    sample.httpPod = response.headers.get('guildway-http-pod');
    if (response.status < 500) sample.outcome = 'answered';
    else sample.outcome = response.status === 503 && response.headers.has('retry-after') ? 'unavailable' : 'failed';
    if (response.status >= 500) sample.problem = `status ${response.status}`;
  }
}

/** Whether the bot said that this note is written. */
function done(content: string | undefined, sample: Sample): boolean {
  return content?.startsWith('Noted for') === true && content.includes(sample.id);
}
