/** The minimum number of retries. Without it, the first failure of a quiet pod could not be retried. */
const RESERVE = 10;

/**
 * Limits retries to a share of live requests: each request earns a fraction of a retry, each retry spends one. The balance is bounded,
 * so a long quiet time does not pay for a retry storm.
 */
export class RetryBudget {
  readonly #perRequest: number;
  #tokens = RESERVE;

  /** @param percent retries as a share of live requests; 0 allows none at all */
  constructor(percent: number) {
    this.#perRequest = percent / 100;
    if (percent === 0) this.#tokens = 0;
  }

  /** Counts a live request. */
  earn(): void {
    if (this.#tokens < RESERVE * 10) this.#tokens += this.#perRequest;
  }

  /** Takes one retry, if there is one. */
  spend(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
