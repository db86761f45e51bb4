/** One REST request, without tokens and content. */
export interface RestCall {
  /** Unix milliseconds. */
  readonly at: number;
  readonly route: string;
  /** The path with its tokens replaced. */
  readonly path: string;
  readonly status: number;
  readonly elapsedMs: number;
  readonly bytes: number;
}

const KEPT = 2000;

/** Counts requests by route and stores the most recent ones. */
export class RestTraffic {
  readonly #counts = new Map<string, number>();
  readonly #statuses = new Map<number, number>();
  readonly #ring: RestCall[] = [];
  #next = 0;
  #total = 0;

  add(call: RestCall): void {
    this.#total++;
    this.#counts.set(call.route, (this.#counts.get(call.route) ?? 0) + 1);
    this.#statuses.set(call.status, (this.#statuses.get(call.status) ?? 0) + 1);
    this.#ring[this.#next] = call;
    this.#next = (this.#next + 1) % KEPT;
  }

  get total(): number {
    return this.#total;
  }

  /** Requests by route: `{ 'PUT /applications/:application/commands': 1 }`. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  count(route: string): number {
    return this.#counts.get(route) ?? 0;
  }

  statuses(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#statuses);
  }

  /** The most recent requests, oldest first. */
  calls(): readonly RestCall[] {
    return [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
  }
}

/** The name of a route that is not simulated: the path without ids and tokens. */
export const unknownRoute = (method: string, path: string): string =>
  `${method} ${redactPath(path).replaceAll(/\/\d+(?=\/|$)/g, '/:id')}`;

/** Replaces the tokens of interaction and webhook paths. */
export function redactPath(path: string): string {
  return path.replace(/^(\/(?:webhooks|interactions)\/[^/]+\/)[^/]+/, '$1…');
}
