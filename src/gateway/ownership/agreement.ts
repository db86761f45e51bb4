import type { Chain } from '../../moving/state.ts';
import { type Decision, decide, type PeerAnswer } from './decision.ts';
import type { PodTopology } from './pod-topology.ts';

export interface AgreementOptions {
  readonly own: PodTopology;
  /** Asks one pod, in bounded time. */
  readonly ask: (ordinal: number, own: PodTopology) => Promise<PodTopology>;
  /** Records this pod's claim on disk. @returns the new placement */
  readonly claim: () => NonNullable<PodTopology['placement']>;
  /** See {@link decide}. */
  readonly confirmed: boolean;
  /** Resolves after `ms`, or earlier when the signal aborts. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** The pause between two rounds. It doubles after each round without news, up to the longest. */
const PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 5_000;
/** Added for each pod, so that many pods do not spend their time on questions. */
const PAUSE_MS_PER_POD = 20;

/** Asks the other gateway pods until all agree on the topology. Answers their questions. */
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

  /** Another pod has stated its topology. The statement is not trusted; it triggers a new round of questions. */
  heard(said: PodTopology): PodTopology {
    const known = this.#answers.get(said.ordinal);
    const news = known === undefined || 'silent' in known || JSON.stringify(known.said) !== JSON.stringify(said);
    if (news) this.#wake.abort();
    return this.#own;
  }

  /** The database has been taken. @param chain what the protocol of moves knows, at any time */
  placed(chain: () => Chain): void {
    const own = this.#own;
    this.#own = {
      ordinal: own.ordinal,
      given: own.given,
      get placement() {
        return { chain: chain(), state: 'placed' as const };
      },
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#wake.abort();
  }

  /** Asks every pod once, and claims the topology if the answers allow it. */
  async round(): Promise<Decision> {
    for (;;) {
      // Statements from now on wake the next round: they may be newer than this round's answers.
      this.#wake = new AbortController();
      await this.#askAll(() => true);
      const decision = decide({ own: this.#own, peers: this.#answers, confirmed: this.#options.confirmed });
      if (decision.kind !== 'claim' || this.#stopped) return decision;
      this.#own = { ...this.#own, placement: this.#options.claim() };
    }
  }

  /**
   * Asks until this pod may serve.
   * @param onWait gets the reasons after each round that ends in waiting
   * @returns null if stopped before
   */
  async reached(onWait: (reasons: readonly string[]) => void): Promise<Decision | null> {
    while (!this.#stopped) {
      await this.#pause();
      if (this.#stopped) break;
      const decision = await this.round();
      if (this.#stopped) break;
      if (decision.kind === 'wait') onWait(decision.reasons);
      else return decision;
    }
    return null;
  }

  /**
   * For a pod that serves: keeps asking the pods that have never answered.
   * @param asksOthers whether the pod asks all others what they hold, since its volume is new or old
   * @returns why this pod must stop serving; null: all have answered, or it was stopped
   */
  async contradicted(asksOthers: () => boolean): Promise<readonly string[] | null> {
    for (;;) {
      const decision = decide({ own: this.#own, peers: this.#answers, confirmed: this.#options.confirmed });
      if (decision.kind === 'wait') return decision.reasons;
      if (decision.kind === 'recover' && !asksOthers())
        return ['the other pods have gone on under a newer topology: start this pod again'];
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
