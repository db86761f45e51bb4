export interface Scenario {
  readonly httpPods: number;
  readonly gatewayPods: number;
  readonly guilds: number;
}

const HTTP_PODS = [1, 2, 4, 10];
const GATEWAY_PODS = [3, 10];
const GUILDS = [200, 1_000, 10_000, 100_000, 1_000_000];
/** The fixed values while another number grows. */
export const FIXED = Object.freeze({ httpPods: 1, gatewayPods: 3, guilds: 1_000 });

/** First the pods grow, then the guilds. */
export const SCENARIOS: readonly Scenario[] = [
  ...GATEWAY_PODS.flatMap((gatewayPods) =>
    HTTP_PODS.map((httpPods) => ({ httpPods, gatewayPods, guilds: FIXED.guilds })),
  ),
  ...GUILDS.filter((guilds) => guilds !== FIXED.guilds).map((guilds) => ({ ...FIXED, guilds })),
];

/** The scenario that also measures peers, with the same number of processes. */
export const CONTROLLED: Scenario = Object.freeze({ ...FIXED, httpPods: 10 });
