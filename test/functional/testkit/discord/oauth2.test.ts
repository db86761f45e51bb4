import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import type { Json } from '../../../support/simulator.ts';

test('a web page logs in a user by OAuth2, reads the guilds, refreshes and revokes the token', async () => {
  await using simulator = await startDiscordSimulator({ guilds: 5 });
  const { apiUrl, applicationId } = simulator;
  const userId = simulator.guilds.at(0).ownerId;
  const query = new URLSearchParams({
    ...{ client_id: applicationId, response_type: 'code', scope: 'identify guilds', state: 'x', user_id: userId },
    redirect_uri: 'http://127.0.0.1:1/callback',
  });
  const page = await fetch(`${apiUrl}/oauth2/authorize?${query}`, { redirect: 'manual' });
  const redirect = new URL(page.headers.get('location') ?? '');
  assert.deepEqual([page.status, redirect.searchParams.get('state')], [302, 'x']);
  const post = async (path: string, form: Record<string, string>): Promise<{ status: number; json: Json }> => {
    const response = await fetch(`${apiUrl}/v10${path}`, { method: 'POST', body: new URLSearchParams(form) });
    return { status: response.status, json: await response.json() };
  };
  const get = async (path: string, token: string): Promise<{ status: number; json: Json }> => {
    const response = await fetch(`${apiUrl}/v10${path}`, { headers: { authorization: `Bearer ${token}` } });
    return { status: response.status, json: await response.json() };
  };
  const client = { client_id: applicationId, client_secret: 'secret' };
  const code = redirect.searchParams.get('code') as string;
  const exchange = { ...client, grant_type: 'authorization_code', code, redirect_uri: 'http://127.0.0.1:1/callback' };
  const { client_secret: _, ...withoutSecret } = exchange;
  assert.equal((await post('/oauth2/token', withoutSecret)).status, 401);
  const { json: tokens } = await post('/oauth2/token', exchange);
  assert.deepEqual([tokens.token_type, tokens.scope], ['Bearer', 'identify guilds']);
  assert.deepEqual(await post('/oauth2/token', exchange), { status: 400, json: { error: 'invalid_grant' } });

  assert.equal((await get('/users/@me', tokens.access_token)).json.id, userId);
  const guilds = (await get('/users/@me/guilds', tokens.access_token)).json;
  const joined = [...simulator.guilds].filter(({ members }) => members.has(userId)).map(({ id }) => id);
  assert.deepEqual(guilds.map(({ id }: Json) => id).toSorted(), joined.toSorted());
  assert.equal(guilds.find(({ id }: Json) => id === simulator.guilds.at(0).id).owner, true);
  assert.equal((await get('/oauth2/@me', tokens.access_token)).json.user.id, userId);
  const member = `/users/@me/guilds/${simulator.guilds.at(0).id}/member`;
  assert.equal((await get(member, tokens.access_token)).json.code, 50_025, 'without the scope');

  const refresh = { ...client, grant_type: 'refresh_token', refresh_token: tokens.refresh_token };
  const { json: renewed } = await post('/oauth2/token', refresh);
  assert.equal((await get('/users/@me', tokens.access_token)).status, 401);
  assert.equal((await get('/users/@me', renewed.access_token)).status, 200);
  await post('/oauth2/token/revoke', { ...client, token: renewed.access_token });
  assert.equal((await get('/users/@me', renewed.access_token)).status, 401);
});
