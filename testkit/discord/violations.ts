import type { Clock } from './clock.ts';
import type { Feed } from './feed.ts';

/** A rule of Discord that the application can violate. */
export type Rule =
  | 'identify_bucket' // two identifies of one bucket within the window
  | 'session_start_limit' // more identifies than a day allows: every session ended, the token was reset
  | 'gateway_rate_limit' // more than 120 events a minute on one connection
  | 'gateway_payload' // a payload that is too large, not JSON, or has an unknown opcode
  | 'gateway_protocol' // identified twice, sent before identifying, wrong sequence, missed heartbeats
  | 'global_rate_limit'
  | 'route_rate_limit'
  | 'invalid_requests' // 10,000 responses of 401, 403 or 429 in ten minutes
  | 'unauthorized' // a REST request with a wrong token
  | 'late_response' // a response to an interaction after its deadline
  | 'early_edit' // @original was used before the first response had arrived
  | 'second_response' // a second response to an interaction
  | 'invalid_response' // a response of a type or form that is not allowed
  | 'bad_signature_accepted' // a request with a wrong signature was accepted
  | 'bad_signature_answer' // a request with a wrong signature was rejected with another status than 401
  | 'webhook_not_acknowledged';

export interface Violation {
  readonly at: number;
  readonly rule: Rule;
  readonly detail: string;
}

/** Stores the last thousand violations and counts all. */
export class Violations {
  readonly #clock: Clock;
  readonly #feed: Feed;
  readonly #recent: Violation[] = [];
  readonly #counts = new Map<Rule, number>();

  constructor(clock: Clock, feed: Feed) {
    this.#clock = clock;
    this.#feed = feed;
  }

  record(rule: Rule, detail: string): void {
    if (this.#recent.length >= 1000) this.#recent.shift();
    this.#recent.push({ at: this.#clock.now(), rule, detail });
    this.#counts.set(rule, this.count(rule) + 1);
    this.#feed.publish({ type: 'violation', rule, detail });
  }

  /** The most recent violations, oldest first, of one rule or of all. */
  list(rule?: Rule): readonly Violation[] {
    return rule === undefined ? [...this.#recent] : this.#recent.filter((violation) => violation.rule === rule);
  }

  count(rule: Rule): number {
    return this.#counts.get(rule) ?? 0;
  }

  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  clear(): void {
    this.#recent.length = 0;
    this.#counts.clear();
  }
}
