import { setTimeout as sleep } from 'node:timers/promises';
import type { Fate } from '../../testkit/chaos/history.ts';
import type { DiscordSimulator, InteractionResult, SimulatedGuild } from '../../testkit/discord/index.ts';

/** The prefix of the notes that the load writes: `staging-17`. */
export const NOTE = 'staging-';

/**
 * A request as its client saw it. Times are milliseconds on the clock of the driver's `performance.now()`.
 * - `answered`: a final response in time
 * - `deferred`: a deferred response
 * - `unavailable`: a page with 503, as expected while the guild's owner is away
 * - `failed`: no response, an invalid response, or one that was too late
 */
export interface Sample {
  readonly id: string;
  readonly kind: 'interaction' | 'page';
  readonly guildId: string;
  readonly sentAt: number;
  outcome: 'pending' | 'answered' | 'deferred' | 'unavailable' | 'failed';
  /** The final outcome of a note; null for a page. */
  fate: Fate | null;
  elapsedMs: number;
  /** The time to the completion of a deferred response. */
  settledMs: number | null;
  pod: string | null;
  httpPod: string | null;
  problem: string | null;
}

type Send = (sample: Sample, guild: SimulatedGuild) => Promise<void>;

/** Writes notes and opens guild pages at steady rates, without waiting for responses. */
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

  /** @param interactions,pages requests per second; 0 stops them */
  setRate(interactions: number, pages: number): void {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    this.#every(interactions, 'interaction', (sample, guild) => this.#writeNote(sample, guild));
    this.#every(pages, 'page', (sample) => this.#openPage(sample));
  }

  /** Waits for requests in flight and for completions. @returns the number that is still open after the timeout */
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
        // Only the cause of a fetch() error has the details.
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

/** Whether the bot confirmed this note. */
function done(content: string | undefined, sample: Sample): boolean {
  return content?.startsWith('Noted for') === true && content.includes(sample.id);
}
