import { type Decision, decide, type PeerAnswer } from './decision.ts';
import type { PodTopology } from './pod-topology.ts';

export interface AgreementOptions {
  readonly own: PodTopology;
  /** Asks one pod; takes bounded time. */
  readonly ask: (ordinal: number, own: PodTopology) => Promise<PodTopology>;
  /** Records this pod's claim on disk. @returns what it has from then on */
  readonly claim: () => NonNullable<PodTopology['placement']>;
  /** See {@link decide}. */
  readonly confirmed: boolean;
  /** Resolves after `ms`, or earlier when the signal aborts. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Between two rounds of questions; twice as long after each that brought nothing new, up to the longest. */
const PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 5_000;
/** With many pods more, so that they do not spend their time on questions. */
const PAUSE_MS_PER_POD = 20;

/** Asks the other gateway pods until all agree on the topology, and answers their questions. */
export class Agreement {
  readonly #options: AgreementOptions;
  readonly #answers = new Map<number, PeerAnswer>();
  #own: PodTopology;
  /** Ends the pause between two rounds. */
  #wake = new AbortController();
  /** Rounds since anything changed. */
  #unchanged = 0;
  #stopped = false;

  constructor(options: AgreementOptions) {
    this.#options = options;
    this.#own = options.own;
  }

  get own(): PodTopology {
    return this.#own;
  }

  /** Another pod has told about itself. What it says is not relied on: it is news to be asked about. */
  heard(said: PodTopology): PodTopology {
    const known = this.#answers.get(said.ordinal);
    const news = known === undefined || 'silent' in known || JSON.stringify(known.said) !== JSON.stringify(said);
    if (news) this.#wake.abort();
    return this.#own;
  }

  /** The database has been taken under the topology that was given. */
  placed(): void {
    this.#own = { ...this.#own, placement: { topology: this.#own.given, state: 'placed' } };
  }

  stop(): void {
    this.#stopped = true;
    this.#wake.abort();
  }

  /** Asks every pod once, and claims the topology if the answers allow it. */
  async round(): Promise<Decision> {
    for (;;) {
      // Woken from now on: what is told during this round may be newer than its answers.
      this.#wake = new AbortController();
      await this.#askAll(() => true);
      const decision = decide({ own: this.#own, peers: this.#answers, confirmed: this.#options.confirmed });
      if (decision.kind !== 'claim' || this.#stopped) return decision;
      this.#own = { ...this.#own, placement: this.#options.claim() };
    }
  }

  /**
   * Asks on until this pod may serve.
   * @param onWait told why it may not yet, after each round
   * @returns false when it was stopped before
   */
  async reached(onWait: (reasons: readonly string[]) => void): Promise<boolean> {
    while (!this.#stopped) {
      await this.#pause();
      if (this.#stopped) break;
      const decision = await this.round();
      if (this.#stopped) break;
      if (decision.kind === 'serve') return true;
      if (decision.kind === 'wait') onWait(decision.reasons);
    }
    return false;
  }

  /**
   * For a pod that serves: asks those pods on that have never answered.
   * @returns why this pod must stop to serve, or null: all have answered, or it was stopped
   */
  async contradicted(): Promise<readonly string[] | null> {
    for (;;) {
      const decision = decide({ own: this.#own, peers: this.#answers, confirmed: this.#options.confirmed });
      if (decision.kind === 'wait') return decision.reasons;
      const silent = [...this.#answers.values()].some((answer) => 'silent' in answer);
      if (!silent || this.#stopped) return null;
      await this.#pause();
      if (this.#stopped) return null;
      this.#wake = new AbortController();
      await this.#askAll((answer) => answer === undefined || 'silent' in answer);
    }
  }

  async #askAll(which: (answer: PeerAnswer | undefined) => boolean): Promise<void> {
    const { own, ask } = { own: this.#own, ask: this.#options.ask };
    const ordinals = Array.from({ length: own.given.pods }, (_, ordinal) => ordinal).filter(
      (ordinal) => ordinal !== own.ordinal && which(this.#answers.get(ordinal)),
    );
    await Promise.all(
      ordinals.map(async (ordinal) => {
        try {
          this.#note(ordinal, { said: await ask(ordinal, own) });
        } catch (error) {
          this.#note(ordinal, { silent: (error as Error).message });
        }
      }),
    );
  }

  #note(ordinal: number, answer: PeerAnswer): void {
    if (JSON.stringify(this.#answers.get(ordinal)) !== JSON.stringify(answer)) this.#unchanged = 0;
    this.#answers.set(ordinal, answer);
  }

  #pause(): Promise<void> {
    const patience = Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** this.#unchanged++);
    const ms = Math.max(patience, PAUSE_MS_PER_POD * this.#own.given.pods);
    return this.#options.pause(ms, this.#wake.signal);
  }
}
