/** A slow stand-in: no stand-in is abandoned while there is time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayRequest, GatewayResponse } from '../../../../src/protocol/message.ts';
import { PATH } from '../../../../src/protocol/paths.ts';
import { type HttpUnderTest, signedHeaders, startHttp, startLinkPod } from '../../../support/http-service.ts';

const guildId = '197038439483310086'; // owner 2 of 3
const env = { LINK_SECRET: 'the link secret of this test', INTERACTION_BUDGET_MS: '2900', STAND_IN_RESERVE_MS: '2000' };

const status = (code: number): GatewayResponse => ({ status: code, headers: [], body: Buffer.alloc(0) });
const isHint = ({ target }: GatewayRequest): boolean => target.startsWith(PATH.hints);

async function interact(http: HttpUnderTest, id: string): Promise<{ readonly type: number }> {
  const body = JSON.stringify({ id, type: 2, guild_id: guildId, token: 't', data: { name: 'note' } });
  const response = await fetch(`${http.url}/webhooks/discord`, { method: 'POST', headers: signedHeaders(body), body });
  return (await response.json()) as { type: number };
}

async function linked(http: HttpUnderTest, pods: number): Promise<void> {
  for (const end = performance.now() + 30_000; http.service.readiness().reasons.length > 3 - pods; ) {
    if (performance.now() > end) assert.fail(http.service.readiness().reasons.join());
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('the next stand-in is asked while a slow one is pending, and the slow one still counts', async () => {
  await using http = await startHttp({ env });
  const asked: string[] = [];
  const second = Promise.withResolvers<void>();
  await using _slow = await startLinkPod(http, 0, async (request) => {
    if (!isHint(request)) return status(503);
    asked.push('first');
    // It answers only after the next one has been asked.
    await second.promise;
    return status(201);
  });
  await using _stuck = await startLinkPod(http, 1, async (request) => {
    if (!isHint(request)) return status(503);
    asked.push('second');
    second.resolve();
    return new Promise<GatewayResponse>(() => {});
  });
  await linked(http, 2);
  assert.equal((await interact(http, '1')).type, 5);
  assert.deepEqual(asked, ['first', 'second']);
});
