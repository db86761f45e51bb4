import { Counter, type Registry } from '../../observability/metrics.ts';
import { Latency, registerLatency } from './latency.ts';

const ROUTES = [
  ...(['interaction', 'event-webhook', 'stripe', 'guild', 'guildless'] as const),
  ...(['fan-out', 'upgrade', 'other'] as const),
] as const;
/** The kind of a request, for metrics. */
export type RouteKind = (typeof ROUTES)[number];
const OUTCOMES = ['ok', 'client-error', 'server-error'] as const;
/** The outcome of a request, for metrics. */
export type RequestOutcome = (typeof OUTCOMES)[number];
export type InteractionOutcome = 'answered' | 'deferred' | 'refused' | 'unknown' | 'invalid';

/** The counters of one route. */
class RouteStats {
  readonly latency = new Latency();
  /** By outcome, then by pod: index 0 for requests that were not forwarded, index n + 1 for requests to pod n. */
  readonly counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, []])) as unknown as Readonly<
    Record<RequestOutcome, number[]>
  >;
}

/**
 * The HTTP service's metrics. Counters that every request uses are plain objects, converted to Prometheus' form on demand. The lookup
 * of a labelled counter would cost more than the routing of a request.
 */
export class HttpMetrics {
  readonly #routes = Object.fromEntries(ROUTES.map((route) => [route, new RouteStats()])) as Readonly<
    Record<RouteKind, RouteStats>
  >;
  readonly #interactions = new Map<InteractionOutcome, number>();
  readonly #retries: number[] = [];
  readonly #hints: number[] = [];
  readonly #redirects: number[] = [];

  constructor(registry: Registry) {
    const registers = [registry];
    const routes = Object.entries(this.#routes);
    new Counter({
      name: 'guildway_http_requests_total',
      help: 'Requests by route, gateway pod (none: not forwarded) and outcome.',
      labelNames: ['route', 'pod', 'outcome'],
      registers,
      collect() {
        this.reset();
        for (const [route, { counts }] of routes) {
          for (const outcome of OUTCOMES) {
            counts[outcome].forEach((count, i) => {
              if (count > 0) this.inc({ route, pod: i === 0 ? 'none' : String(i - 1), outcome }, count);
            });
          }
        }
      },
    });
    registerLatency(registry, {
      name: 'guildway_http_request_seconds',
      help: 'Time from the end of the headers to the response, by route.',
      label: 'route',
      series: () => routes.filter(([, { latency }]) => latency.sum > 0).map(([route, { latency }]) => [route, latency]),
    });
    const interactions = this.#interactions;
    new Counter({
      name: 'guildway_interactions_total',
      help: 'Interactions by outcome: answered, deferred (stored by a stand-in), refused (not executed), unknown, invalid.',
      labelNames: ['outcome'],
      registers,
      collect() {
        this.reset();
        for (const [outcome, count] of interactions) this.inc({ outcome }, count);
      },
    });
    const byPod = (name: string, help: string, counts: readonly number[]): void => {
      new Counter({
        name,
        help,
        labelNames: ['pod'],
        registers,
        collect() {
          this.reset();
          for (const [pod, count] of counts.entries()) if (count) this.inc({ pod: String(pod) }, count);
        },
      });
    };
    byPod('guildway_retries_total', 'Requests sent again, by the pod they were meant for.', this.#retries);
    byPod('guildway_redirects_total', 'Requests that a pod sent on to another pod, by that pod.', this.#redirects);
    byPod('guildway_hints_stored_total', 'Requests stored by a stand-in, by the pod they were meant for.', this.#hints);
  }

  request(route: RouteKind, pod: number | null, outcome: RequestOutcome, seconds: number): void {
    const { latency, counts } = this.#routes[route];
    const byPod = counts[outcome];
    const at = pod === null ? 0 : pod + 1;
    // Fills the gaps, because V8 treats an array with holes like a dictionary.
    while (byPod.length <= at) byPod.push(0);
    (byPod[at] as number)++;
    latency.add(seconds);
  }

  interaction(outcome: InteractionOutcome): void {
    this.#interactions.set(outcome, (this.#interactions.get(outcome) ?? 0) + 1);
  }

  retried(pod: number): void {
    this.#retries[pod] = (this.#retries[pod] ?? 0) + 1;
  }

  /** @param pod the ordinal of the pod that named another one */
  redirected(pod: number): void {
    this.#redirects[pod] = (this.#redirects[pod] ?? 0) + 1;
  }

  hintStored(pod: number): void {
    this.#hints[pod] = (this.#hints[pod] ?? 0) + 1;
  }
}

export function outcomeOf(status: number): RequestOutcome {
  if (status < 400) return 'ok';
  // 501 is the client's fault and must not trigger alerts for server errors.
  return status < 500 || status === 501 || status === 505 ? 'client-error' : 'server-error';
}
