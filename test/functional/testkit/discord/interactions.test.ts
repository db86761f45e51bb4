import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type DiscordSimulator,
  type SimulatorOptions,
  startDiscordSimulator,
} from '../../../../testkit/discord/index.ts';
import {
  type Answerer,
  call,
  type Endpoint,
  isSigned,
  type Json,
  reply,
  startEndpoint,
  until,
} from '../../../support/simulator.ts';

interface Stage extends AsyncDisposable {
  readonly simulator: DiscordSimulator;
  readonly endpoint: Endpoint;
  readonly guildId: string;
}

/** A simulator that posts its interactions to an endpoint which answers with `answer`. */
async function setStage(answer: Answerer, options: SimulatorOptions = {}): Promise<Stage> {
  const simulator = await startDiscordSimulator({ guilds: 5, ...options });
  const endpoint = await startEndpoint(() => simulator.publicKey, answer);
  simulator.interactionsUrl = endpoint.url;
  return {
    simulator,
    endpoint,
    guildId: simulator.guilds.at(0).id,
    async [Symbol.asyncDispose]() {
      await simulator.stop();
      await endpoint[Symbol.asyncDispose]();
    },
  };
}

const original = (simulator: DiscordSimulator, token: string) =>
  `/webhooks/${simulator.applicationId}/${token}/messages/%40original`;
const callback = ({ id, token }: Json, query = '') => `/interactions/${id}/${token}/callback${query}`;

describe('an interaction over HTTP', () => {
  test('has the form, the signature and the token of Discord', async () => {
    await using stage = await setStage((_payload, response) => {
      reply(response, { type: 4, data: { content: 'hi' } }, { 'guildway-pod': '2', 'guildway-http-pod': 'http-1' });
    });
    const { simulator, guildId } = stage;
    const guild = simulator.guilds.at(0);
    const result = await simulator.interactions.command({
      guildId,
      userId: guild.moderatorIds[0],
      name: 'warn',
      options: { user: 'someone', points: 3, silent: true, weight: 1.5, add: { reason: 'spam' } },
    });
    assert.deepEqual([stage.endpoint.received.length, stage.endpoint.rejected], [1, 0]);
    const payload = stage.endpoint.received[0];
    assert.equal(payload.guild_id, guildId);
    assert.equal(payload.guild.id, guildId);
    assert.equal(payload.application_id, simulator.applicationId);
    assert.equal(payload.context, 0);
    assert.deepEqual(payload.entitlements, []);
    assert.deepEqual(payload.authorizing_integration_owners, { '0': guildId });
    assert.equal(payload.channel.id, payload.channel_id);
    assert.equal(payload.channel.type, 0);
    assert.equal(payload.member.user.id, guild.moderatorIds[0]);
    assert.equal(payload.user, undefined);
    assert.equal(payload.locale, 'en-US');
    assert.ok(BigInt(payload.app_permissions) > 0n && BigInt(payload.member.permissions) > 0n);
    assert.ok(payload.token.length > 128, `the token has ${payload.token.length} characters`);
    assert.match(Buffer.from(payload.token, 'base64').toString(), new RegExp(`^interaction:${payload.id}:`));
    assert.deepEqual(
      payload.data.options.map((option: Json) => [option.name, option.type]),
      [
        ['user', 3],
        ['points', 4],
        ['silent', 5],
        ['weight', 10],
        ['add', 1],
      ],
    );
    assert.equal(result.outcome, 'answered');
    assert.equal(result.status, 200);
    assert.equal(result.pod, '2');
    assert.equal(result.httpPod, 'http-1');
    assert.equal(result.message?.content, 'hi');
    assert.equal(result.message?.type, 20);
    assert.equal(result.message?.interaction_metadata?.id, result.id);
  });

  test('has a user and context 1 in direct messages, and a guild that the bot has not joined where one is named', async () => {
    await using stage = await setStage((_payload, response) => reply(response, { type: 4, data: { content: 'hi' } }));
    await stage.simulator.interactions.command({ guildId: null, name: 'ping' });
    await stage.simulator.interactions.command({ guildId: '1234567890123456789', name: 'ping' });
    const [direct, stranger] = stage.endpoint.received;
    assert.equal(direct.guild_id, undefined);
    assert.equal(direct.member, undefined);
    assert.ok(direct.user.id);
    assert.equal(direct.context, 1);
    assert.equal(direct.channel.type, 1);
    assert.equal(stranger.guild_id, '1234567890123456789');
    assert.deepEqual(Object.keys(stranger.authorizing_integration_owners), ['1']);
  });

  test('resolves the users, roles and channels that registered options name', async () => {
    await using stage = await setStage((_payload, response) => reply(response, { type: 4, data: { content: 'hi' } }));
    const { simulator, guildId } = stage;
    const guild = simulator.guilds.at(0);
    const options = [
      { name: 'who', description: 'x', type: 6 },
      { name: 'where', description: 'x', type: 7 },
      { name: 'what', description: 'x', type: 8 },
    ];
    const body = [{ name: 'note', description: 'x', options: [{ name: 'add', description: 'x', type: 1, options }] }];
    await call(simulator, 'PUT', `/applications/${simulator.applicationId}/commands`, body);
    const [who, where, what] = [guild.memberIds[0], guild.channels[1]?.id, guild.roles[1]?.id] as [
      string,
      string,
      string,
    ];
    await simulator.interactions.command({ guildId, name: 'note', options: { add: { who, where, what } } });
    const { data } = stage.endpoint.received[0];
    assert.equal(data.id, simulator.commands.list(null)[0]?.id);
    assert.deepEqual(
      data.options[0].options.map((option: Json) => option.type),
      [6, 7, 8],
    );
    assert.equal(data.resolved.users[who].id, who);
    assert.equal(data.resolved.members[who].user, undefined);
    assert.equal(data.resolved.channels[where].id, where);
    assert.equal(data.resolved.roles[what].id, what);
  });

  test('can be answered with 202 and the callback endpoint, which gives 204, or 200 with the message', async () => {
    await using stage = await setStage(async (payload, response) => {
      const query = payload.data.name === 'with' ? '?with_response=true' : '';
      const body = { type: 4, data: { content: 'by callback', flags: 64 } };
      callbacks.push(await call(stage.simulator, 'POST', callback(payload, query), body, null));
      response.writeHead(202).end();
    });
    const callbacks: Json[] = [];
    const { simulator, guildId } = stage;
    const plain = await simulator.interactions.command({ guildId, name: 'plain' });
    const full = await simulator.interactions.command({ guildId, name: 'with' });
    assert.equal(plain.outcome, 'answered');
    assert.equal(plain.status, 202);
    assert.equal(plain.message?.content, 'by callback');
    assert.deepEqual([callbacks[0].status, callbacks[0].json], [204, undefined]);
    assert.equal(callbacks[1].status, 200);
    assert.equal(callbacks[1].json.resource.message.id, full.message?.id);
    assert.equal(callbacks[1].json.interaction.response_message_ephemeral, true);
  });

  test('may get its callback after the 202', async () => {
    await using stage = await setStage(async (payload, response) => {
      response.writeHead(202).end();
      await sleep(50);
      await call(stage.simulator, 'POST', callback(payload), { type: 5, data: { flags: 64 } }, null);
    });
    const result = await stage.simulator.interactions.command({ guildId: stage.guildId, name: 'slow' });
    assert.equal(result.outcome, 'deferred');
    assert.equal(result.responseType, 5);
  });

  test('takes files through the callback', async () => {
    await using stage = await setStage(async (payload, response) => {
      const form = new FormData();
      form.set('payload_json', JSON.stringify({ type: 4, data: { attachments: [{ id: 0, description: 'a log' }] } }));
      form.set('files[0]', new Blob(['line one\n'], { type: 'text/plain' }), 'log.txt');
      await call(stage.simulator, 'POST', callback(payload), form, null);
      response.writeHead(202).end();
    });
    const result = await stage.simulator.interactions.command({ guildId: stage.guildId, name: 'export' });
    const attachment = result.message?.attachments[0];
    assert.equal(attachment?.filename, 'log.txt');
    assert.equal(attachment?.description, 'a log');
    assert.equal(await (await fetch(attachment?.url ?? '')).text(), 'line one\n');
  });

  test('expires without a response: 10062 for the callback, 10015 for its webhook', async () => {
    await using stage = await setStage(() => {}, { interactionDeadlineMs: 100 });
    const { simulator, guildId } = stage;
    const result = await simulator.interactions.command({ guildId, name: 'ping' });
    assert.equal(result.outcome, 'timeout');
    assert.ok(result.elapsedMs >= 95, `${result.elapsedMs} ms`);
    const late = await call(simulator, 'POST', callback(result), { type: 4, data: { content: 'late' } }, null);
    assert.deepEqual([late.status, late.json.code], [404, 10062]);
    const edit = await call(simulator, 'PATCH', original(simulator, result.token), { content: 'late' }, null);
    assert.deepEqual([edit.status, edit.json.code], [404, 10015]);
    assert.equal(simulator.violations.count('late_response'), 1);
  });

  test('is an error if the connection fails or the response is a 5xx', async () => {
    await using stage = await setStage((payload, response) => {
      if (payload.data.name === 'cut') response.destroy();
      else response.writeHead(503).end();
    });
    const { simulator, guildId } = stage;
    const cut = await simulator.interactions.command({ guildId, name: 'cut' });
    assert.deepEqual([cut.outcome, cut.status], ['error', null]);
    const failed = await simulator.interactions.command({ guildId, name: 'fail' });
    assert.deepEqual([failed.outcome, failed.status, failed.problem], ['error', 503, 'status 503']);
  });

  test('is invalid when Discord would reject the response', async () => {
    const tooMany = Array.from({ length: 26 }, (_, index) => ({ name: `n${index}`, value: `v${index}` }));
    const answers: Record<string, unknown> = {
      update: { type: 7, data: { content: 'a command has no message' } },
      choices: { type: 8, data: { choices: [] } },
      empty: { type: 4, data: {} },
      long: { type: 4, data: { content: 'x'.repeat(2001) } },
      modal: { type: 9, data: { custom_id: 'm', title: '', components: [] } },
    };
    await using stage = await setStage((payload, response) => {
      if (payload.type === 4) reply(response, { type: 8, data: { choices: tooMany } });
      else if (payload.data.name === 'text') response.writeHead(200).end('{"type":4}');
      else reply(response, answers[payload.data.name]);
    });
    const { simulator, guildId } = stage;
    for (const name of [...Object.keys(answers), 'text']) {
      const result = await simulator.interactions.command({ guildId, name });
      assert.equal(result.outcome, 'invalid', name);
      assert.ok(result.problem, name);
    }
    const suggestions = await simulator.interactions.autocomplete({ guildId, name: 'warn', focused: 'reason' });
    assert.equal(suggestions.outcome, 'invalid');
    assert.match(suggestions.problem ?? '', /50035.*choices/);
  });
});

describe('after the first response', () => {
  test('a deferred response is completed by editing @original', async () => {
    let token = '';
    await using stage = await setStage((payload, response) => {
      token = payload.token;
      reply(response, { type: 5, data: { flags: 64 } });
    });
    const { simulator, guildId } = stage;
    const result = await simulator.interactions.command({ guildId, name: 'report' });
    assert.equal(result.outcome, 'deferred');
    assert.equal(result.message?.flags, 64 | 128);
    const settled = result.settled(5000);
    // The flag of the edit is ignored: the first response decides whether it is ephemeral.
    const edited = await call(simulator, 'PATCH', original(simulator, token), { content: 'done', flags: 0 }, null);
    assert.equal(edited.status, 200);
    assert.deepEqual([edited.json.content, edited.json.flags], ['done', 64]);
    const { outcome, message, elapsedMs } = await settled;
    assert.deepEqual([outcome, message?.content], ['completed', 'done']);
    assert.ok(elapsedMs >= result.elapsedMs);
    assert.equal((await call(simulator, 'GET', original(simulator, token), undefined, null)).json.content, 'done');
    assert.equal((await call(simulator, 'DELETE', original(simulator, token), undefined, null)).status, 204);
    assert.equal((await call(simulator, 'GET', original(simulator, token), undefined, null)).json.code, 10008);
  });

  test('the first follow-up after type 5 replaces the deferred message, later ones are separate messages', async () => {
    await using stage = await setStage((_payload, response) => reply(response, { type: 5 }));
    const { simulator, guildId } = stage;
    const result = await simulator.interactions.command({ guildId, name: 'report' });
    const path = `/webhooks/${simulator.applicationId}/${result.token}`;
    const first = await call(simulator, 'POST', path, { content: 'first' }, null);
    const second = await call(simulator, 'POST', path, { content: 'second', flags: 64 }, null);
    assert.equal(first.json.id, result.message?.id);
    assert.notEqual(second.json.id, first.json.id);
    assert.equal(second.json.flags, 64);
    const edited = await call(simulator, 'PATCH', `${path}/messages/${second.json.id}`, { content: 'changed' }, null);
    assert.equal(edited.json.content, 'changed');
    assert.equal((await call(simulator, 'DELETE', `${path}/messages/${second.json.id}`, undefined, null)).status, 204);
    assert.equal((await result.settled(10)).outcome, 'completed');
  });

  test('a deferred response that is never completed stays pending and expires with its token', async () => {
    let now = Date.UTC(2026, 7, 1);
    await using stage = await setStage((_payload, response) => reply(response, { type: 5 }), {
      clock: { now: () => now },
    });
    const { simulator, guildId } = stage;
    const result = await simulator.interactions.command({ guildId, name: 'report' });
    assert.equal((await result.settled(1)).outcome, 'pending');
    now += 15 * 60_000 + 1;
    assert.equal((await result.settled(1)).outcome, 'expired');
    const edit = await call(simulator, 'PATCH', original(simulator, result.token), { content: 'late' }, null);
    assert.deepEqual([edit.status, edit.json.code], [401, 50027]);
  });

  test('a second response is refused with 40060, and changes nothing', async () => {
    await using stage = await setStage((_payload, response) => reply(response, { type: 4, data: { content: 'one' } }));
    const { simulator, guildId } = stage;
    const result = await simulator.interactions.command({ guildId, name: 'ping' });
    const second = await call(simulator, 'POST', callback(result), { type: 4, data: { content: 'two' } }, null);
    assert.deepEqual([second.status, second.json.code], [400, 40060]);
    assert.equal(result.message?.content, 'one');
    assert.equal(simulator.violations.count('second_response'), 1);
  });

  test('an edit that overtakes the inline response gets 10015', async () => {
    let early: Json;
    await using stage = await setStage(async (payload, response) => {
      early = await call(
        stage.simulator,
        'PATCH',
        original(stage.simulator, payload.token),
        { content: 'early' },
        null,
      );
      reply(response, { type: 5 });
    });
    const result = await stage.simulator.interactions.command({ guildId: stage.guildId, name: 'ping' });
    assert.deepEqual([early.status, early.json.code], [404, 10015]);
    assert.equal(stage.simulator.violations.count('early_edit'), 1);
    // The same race, made deterministic: the response has left and has not reached Discord.
    stage.simulator.misbehave.inlineDelayMs = 80;
    const slow = stage.simulator.interactions.command({ guildId: stage.guildId, name: 'ping' });
    const { token } = await until('the second interaction', () => stage.endpoint.received[1]);
    await sleep(20);
    const race = await call(stage.simulator, 'PATCH', original(stage.simulator, token), { content: 'early' }, null);
    assert.equal(race.json.code, 10015);
    await slow;
    const again = await call(stage.simulator, 'PATCH', original(stage.simulator, token), { content: 'now' }, null);
    assert.equal(again.status, 200);
    assert.equal(result.outcome, 'deferred');
  });

  test('unknown tokens and other applications get 10015, unknown interactions 10062', async () => {
    await using stage = await setStage((_payload, response) => reply(response, { type: 4, data: { content: 'one' } }));
    const { simulator, guildId } = stage;
    const { id, token } = await simulator.interactions.command({ guildId, name: 'ping' });
    const codes = await Promise.all([
      call(simulator, 'PATCH', original(simulator, 'nonsense'), { content: 'x' }, null),
      call(simulator, 'PATCH', `/webhooks/1/${token}/messages/@original`, { content: 'x' }, null),
      call(simulator, 'POST', callback({ id, token: 'nonsense' }), { type: 5 }, null),
      call(simulator, 'POST', callback({ id: '1', token }), { type: 5 }, null),
    ]);
    assert.deepEqual(
      codes.map(({ status, json }) => [status, json.code]),
      [
        [404, 10015],
        [404, 10015],
        [404, 10062],
        [404, 10062],
      ],
    );
  });
});

describe('components and modals', () => {
  const buttons = (label: string) => ({
    content: label,
    components: [
      {
        type: 1,
        components: [
          { type: 2, style: 1, label, custom_id: 'next' },
          { type: 2, style: 2, label: 'off', custom_id: 'off', disabled: true },
        ],
      },
    ],
  });
  const form = {
    custom_id: 'reason',
    title: 'Why',
    components: [{ type: 1, components: [{ type: 4, custom_id: 'text', label: 'Reason', style: 1 }] }],
  };

  test('a button updates its message, defers with 6, or opens a modal whose submission can update the message too', async () => {
    const answers = [
      { type: 4, data: buttons('page 1') },
      { type: 7, data: buttons('page 2') },
      { type: 6 },
      { type: 9, data: form },
      { type: 7, data: { content: 'reported' } },
    ];
    await using stage = await setStage((_payload, response) => reply(response, answers.shift()));
    const { simulator, guildId } = stage;
    const opened = await simulator.interactions.command({ guildId, name: 'modlog' });
    const messageId = opened.message?.id ?? '';
    const userId = simulator.guilds.at(0).ownerId;
    const next = await simulator.interactions.component({ guildId, userId, messageId, customId: 'next' });
    assert.deepEqual([next.outcome, next.message?.id, next.message?.content], ['answered', messageId, 'page 2']);
    const press = stage.endpoint.received[1];
    assert.deepEqual([press.type, press.data.component_type, press.message.id], [3, 2, messageId]);

    const deferred = await simulator.interactions.component({ guildId, userId, messageId, customId: 'next' });
    assert.equal(deferred.outcome, 'deferred');
    await call(simulator, 'PATCH', original(simulator, deferred.token), { content: 'page 3' }, null);
    const settled = await deferred.settled(1000);
    assert.deepEqual(
      [settled.outcome, settled.message?.id, settled.message?.content],
      ['completed', messageId, 'page 3'],
    );

    const modal = await simulator.interactions.component({ guildId, userId, messageId, customId: 'next' });
    assert.equal(modal.responseType, 9);
    const sent = await simulator.interactions.modalSubmit({ userId, customId: 'reason', fields: { text: 'spam' } });
    const submission = stage.endpoint.received[4];
    assert.deepEqual([submission.type, submission.guild_id, submission.message.id], [5, guildId, messageId]);
    assert.equal(submission.data.components[0].components[0].value, 'spam');
    assert.equal(sent.message?.content, 'reported');
  });

  test('only what a user can see and press can be pressed', async () => {
    await using stage = await setStage((_payload, response) =>
      reply(response, { type: 4, data: { ...buttons('mine'), flags: 64 } }),
    );
    const { simulator, guildId } = stage;
    const { ownerId, memberIds } = simulator.guilds.at(0);
    const opened = await simulator.interactions.command({ guildId, userId: ownerId, name: 'modlog' });
    const press = (facts: { userId?: string; customId: string; messageId?: string }) => () =>
      simulator.interactions.component({ guildId, messageId: opened.message?.id ?? '', ...facts });
    await assert.rejects(press({ userId: memberIds[0] as string, customId: 'next' }), /sees no message/);
    await assert.rejects(press({ userId: ownerId, customId: 'off' }), /disabled/);
    await assert.rejects(press({ userId: ownerId, customId: 'other' }), /no component/);
    await assert.rejects(press({ userId: ownerId, customId: 'next', messageId: '1' }), /no message/);
  });

  test('a modal that a command opened cannot update a message', async () => {
    const answers = [
      { type: 9, data: form },
      { type: 7, data: { content: 'nothing to update' } },
    ];
    await using stage = await setStage((_payload, response) => reply(response, answers.shift()));
    const { simulator, guildId } = stage;
    const userId = simulator.guilds.at(0).ownerId;
    await simulator.interactions.command({ guildId, userId, name: 'report' });
    const result = await simulator.interactions.modalSubmit({ userId, customId: 'reason', fields: { text: 'x' } });
    assert.equal(result.outcome, 'invalid');
    assert.equal(stage.endpoint.received[1].message, undefined);
  });

  test('autocomplete marks the focused option, and message commands carry their message', async () => {
    await using stage = await setStage((payload, response) =>
      reply(
        response,
        payload.type === 4
          ? { type: 8, data: { choices: [{ name: 'Spam', value: 'spam' }] } }
          : { type: 4, data: { content: 'ok' } },
      ),
    );
    const { simulator, guildId } = stage;
    const result = await simulator.interactions.autocomplete({
      guildId,
      name: 'warn',
      options: { add: { reason: 'sp' } },
      focused: 'reason',
    });
    assert.equal(result.outcome, 'answered');
    assert.deepEqual(stage.endpoint.received[0].data.options[0].options, [
      { name: 'reason', type: 3, value: 'sp', focused: true },
    ]);
    const { messageId } = simulator.events.messageCreate({ guildId, content: 'rude' });
    await simulator.interactions.command({ guildId, name: 'Report', type: 3, targetId: messageId });
    const { data } = stage.endpoint.received[1];
    assert.equal(data.target_id, messageId);
    assert.equal(data.resolved.messages[messageId].content, 'rude');
  });
});

describe('what Discord does to an endpoint', () => {
  test('an endpoint that accepts a wrong signature is removed', async () => {
    await using stage = await setStage((_payload, response) => reply(response, { type: 4, data: { content: 'x' } }), {
      probeEvery: 2,
    });
    const { simulator, guildId, endpoint } = stage;
    assert.deepEqual(await simulator.interactions.probeWrongSignature(), { status: 401 });
    assert.deepEqual(await simulator.interactions.verifyEndpoint(), {
      accepted: true,
      ping: true,
      rejectsWrongSignature: true,
    });
    for (let i = 0; i < 2; i++) await simulator.interactions.command({ guildId, name: 'ping' });
    await until('the probe', () => endpoint.rejected === 3);

    const naive = createServer((_request, response) => reply(response, { type: 1 }));
    await new Promise<void>((resolve) => naive.listen(0, '127.0.0.1', resolve));
    simulator.interactionsUrl = `http://127.0.0.1:${(naive.address() as AddressInfo).port}/`;
    assert.deepEqual(await simulator.interactions.probeWrongSignature(), { status: 200 });
    assert.equal(simulator.interactionsUrl, null);
    assert.equal(simulator.violations.count('bad_signature_accepted'), 1);
    naive.closeAllConnections();
    naive.close();
  });

  test('raw payloads: the same id again, another body, other headers', async () => {
    await using stage = await setStage((payload, response) =>
      reply(response, { type: 4, data: { content: `answer ${payload.data.name}` } }),
    );
    const { simulator, guildId, endpoint } = stage;
    const created = simulator.interactions.create({ kind: 'command', guildId, name: 'ping' });
    assert.equal(isSigned(simulator.publicKey, created.headers as Json, created.body), true);
    const first = await simulator.interactions.send(created);
    const again = await simulator.interactions.raw(created.payload);
    const other = await simulator.interactions.raw({ ...created.payload, data: { name: 'other', type: 1 } });
    assert.deepEqual([first.outcome, again.outcome, other.outcome], ['answered', 'answered', 'answered']);
    assert.equal(first.message?.content, 'answer ping');
    assert.deepEqual(again.response, first.response);
    assert.equal((other.response as Json).data.content, 'answer other', 'what came back this time');
    assert.deepEqual(simulator.violations.list(), [], 'the application did nothing wrong');
    assert.equal(again.message?.id, first.message?.id);
    assert.equal(endpoint.received.length, 3);
    const bad = await simulator.interactions.raw(created.payload, {
      headers: { 'x-signature-ed25519': '00'.repeat(64) },
    });
    assert.equal(bad.status, 401);
  });

  test('a failed interaction can be sent again, and its response is recorded', async () => {
    let down = true;
    await using stage = await setStage((_payload, response) => {
      if (down) response.destroy();
      else reply(response, { type: 4, data: { content: 'late' } });
    });
    const { simulator, guildId } = stage;
    const created = simulator.interactions.create({ kind: 'command', guildId, name: 'ping' });
    assert.equal((await simulator.interactions.send(created)).outcome, 'error');
    down = false;
    const both = await Promise.all([created.payload, created.payload].map((one) => simulator.interactions.raw(one)));
    assert.deepEqual(
      both.map(({ outcome, response }) => [outcome, (response as Json).data.content]),
      [
        ['answered', 'late'],
        ['answered', 'late'],
      ],
    );
    assert.deepEqual([both[0]?.message, simulator.violations.list()], [undefined, []]);
  });

  test('event webhooks are signed, and repeated until they are acknowledged with 204', async () => {
    let refuse = 2;
    await using simulator = await startDiscordSimulator({ guilds: 1, eventWebhookBackoffMs: 5 });
    await using endpoint = await startEndpoint(
      () => simulator.publicKey,
      (payload, response) => void response.writeHead(payload.type === 1 && refuse-- > 0 ? 500 : 204).end(),
    );
    simulator.eventWebhookUrl = endpoint.url;
    const delivery = await simulator.events.webhook('ENTITLEMENT_CREATE', { id: '1', user_id: '2' });
    assert.deepEqual(delivery, { acknowledged: true, attempts: 3, status: 204 });
    const [event, ...repeats] = endpoint.received;
    assert.deepEqual([event.version, event.type, event.application_id], [1, 1, simulator.applicationId]);
    assert.deepEqual([event.event.type, event.event.data.user_id], ['ENTITLEMENT_CREATE', '2']);
    assert.deepEqual(repeats, [event, event]);
  });
});
