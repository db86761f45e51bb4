import type { Pods } from '../../src/cli/pods.ts';
import { type Platform, until } from './platform.ts';

/** The larger number of gateway pods. */
export const MORE_PODS = 5;
const MOVE_MS = 120_000;

/** Changes the number of gateway pods to {@link MORE_PODS} and back. @param note takes lines for the report */
export async function resizeGateways(platform: Platform, note: (line: string) => void): Promise<void> {
  for (const [pods, epoch] of [
    [MORE_PODS, 2],
    [platform.gatewayPods, 3],
  ] as const) {
    await platform.setGatewayPods(pods, epoch);
    note(await untilMoved(platform, epoch));
    await platform.endGateways(pods);
  }
}

/** Waits until every guild is at its owner under the topology of an epoch. @returns what was seen, for the report */
async function untilMoved(platform: Platform, epoch: number): Promise<string> {
  const from = performance.now();
  const ask = "fetch('http://127.0.0.1:9090/pods').then((r) => r.text()).then((text) => process.stdout.write(text))";
  await until(`every guild is at its owner under epoch ${epoch}`, MOVE_MS, async () => {
    const [httpPod] = await platform.httpPods();
    const { answers } = JSON.parse(await platform.run(httpPod as string, ask)) as Pods;
    const { pod, moving } = answers[0] ?? {};
    return pod === 0 && moving?.topologies.length === 1 && moving.topologies[0]?.epoch === epoch;
  });
  return `epoch ${epoch}: every guild was at its owner ${((performance.now() - from) / 1_000).toFixed(0)} s after the last pod had the number`;
}
