import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewayConfig, loadConfig } from '../../../../src/config/load.ts';
import { createDiscordRest, restShare } from '../../../../src/gateway/discord/rest.ts';
import { recordingLog, SECRET } from '../../../support/discord-pod.ts';

test("the pods' shares of the REST limit add up to 50 for 1 to 50 pods, and each is at least one", () => {
  for (let pods = 1; pods <= 50; pods++) {
    const shares = Array.from({ length: pods }, (_, ordinal) => restShare(ordinal, pods));
    assert.equal(
      shares.reduce((sum, share) => sum + share, 0),
      50,
      `${pods} pods`,
    );
    assert.ok(Math.min(...shares) >= 1);
    assert.equal(shares[0], Math.max(...shares), "the rest is pod 0's");
  }
});

test('with more than 50 pods each still gets one request a second, and pod 0 warns that the sum exceeds the limit', () => {
  for (const pods of [51, 99, 10_000]) {
    for (const ordinal of [0, 1, pods - 1]) assert.equal(restShare(ordinal, pods), 1, `pod ${ordinal} of ${pods}`);
  }
  for (const [pods, ordinal, said] of [
    [50, 0, 0],
    [51, 0, 1],
    [51, 1, 0],
  ] as const) {
    const { log, lines } = recordingLog();
    const env = { SERVICE_MODE: 'gateway', LINK_SECRET: SECRET, NUM_GATEWAY_PODS: String(pods) };
    const config = gatewayConfig(loadConfig({ ...env, POD_ORDINAL: String(ordinal) }));
    const rest = createDiscordRest({ config, pods, log });
    assert.ok(rest.options.globalRequestsPerSecond >= 1);
    assert.equal(lines.filter(({ text }) => text.startsWith('there are more pods than')).length, said);
    rest.clearHashSweeper();
    rest.clearHandlerSweeper();
  }
});
