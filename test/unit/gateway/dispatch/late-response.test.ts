// How a response becomes the completion of a deferred one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { APIInteraction, APIInteractionResponse } from 'discord-api-types/v10';
import { lateNotice, lateResponse, type WebhookCall } from '../../../../src/gateway/dispatch/late-response.ts';
import { MESSAGE } from '../../../../src/gateway/dispatch/messages.ts';
import { APPLICATION, command, component, modalSubmit } from '../../../support/interactions.ts';

const EPHEMERAL = 64;

/** The calls, shortened: `PATCH @original {"content":"x"}`. */
function shown(interaction: APIInteraction, calls: readonly WebhookCall[]): string[] {
  const base = `/webhooks/${APPLICATION}/${interaction.token}`;
  return calls.map(({ method, route, body }) => {
    assert.ok(route.startsWith(base));
    const path = decodeURIComponent(route.slice(base.length)).replace('/messages/', '');
    return [method, path, body === undefined ? '' : JSON.stringify(body)].filter((part) => part !== '').join(' ');
  });
}

function late(interaction: APIInteraction, type: 5 | 6, response: object, ephemeral = false) {
  const { calls, lost } = lateResponse(interaction, { type, ephemeral }, response as APIInteractionResponse);
  return { calls: shown(interaction, calls), lost };
}

test('after a deferred message', () => {
  const message = { type: 4, data: { content: 'done', tts: false } };
  assert.deepEqual(late(command('warn'), 5, message), {
    calls: ['PATCH @original {"content":"done","tts":false}'],
    lost: null,
  });
  // It deferred by itself too, and edits when it is done.
  assert.deepEqual(late(command('warn'), 5, { type: 5 }), { calls: [], lost: null });
  assert.deepEqual(late(component('page:2'), 5, { type: 6 }), { calls: ['DELETE @original'], lost: null });
  assert.deepEqual(late(component('page:2'), 5, { type: 7, data: { content: 'page 2' } }), {
    calls: ['PATCH message-1 {"content":"page 2"}', 'DELETE @original'],
    lost: null,
  });
});

test('after a deferred update', () => {
  assert.deepEqual(late(component('page:2'), 6, { type: 7, data: { content: 'page 2' } }), {
    calls: ['PATCH @original {"content":"page 2"}'],
    lost: null,
  });
  assert.deepEqual(late(component('page:2'), 6, { type: 4, data: { content: 'no', flags: EPHEMERAL } }), {
    calls: [`POST {"content":"no","flags":${EPHEMERAL}}`],
    lost: null,
  });
  assert.deepEqual(late(component('page:2'), 6, { type: 6 }), { calls: [], lost: null });
});

test('flags that an edit does not accept are omitted', () => {
  const flags = EPHEMERAL | (1 << 2) | (1 << 15);
  const { calls } = late(command('warn'), 5, { type: 4, data: { content: 'x', flags } }, true);
  assert.deepEqual(calls, [`PATCH @original {"content":"x","flags":${(1 << 2) | (1 << 15)}}`]);
});

test('an ephemeral response is never shown in a public message', () => {
  const whisper = { type: 4, data: { content: 'a secret', flags: EPHEMERAL } };
  const { calls } = late(command('warn'), 5, whisper);
  assert.equal(calls.length, 2);
  assert.equal(calls[0], `PATCH @original ${JSON.stringify({ content: MESSAGE.privately })}`);
  assert.equal(calls[1], `POST ${JSON.stringify(whisper.data)}`);
  assert.deepEqual(late(command('warn'), 5, whisper, true).calls, ['PATCH @original {"content":"a secret"}']);
});

test('a modal or an activity can no longer be opened, and the user learns that', () => {
  for (const type of [9, 12]) {
    const after5 = late(command('report'), 5, { type, data: { title: 'Why?' } });
    assert.deepEqual(after5.calls, [`PATCH @original ${JSON.stringify({ content: MESSAGE.tooLate })}`]);
    assert.match(after5.lost ?? '', /cannot be opened/);
    const after6 = late(component('report'), 6, { type, data: { title: 'Why?' } });
    assert.deepEqual(after6.calls, [`POST ${JSON.stringify({ content: MESSAGE.tooLate, flags: EPHEMERAL })}`]);
  }
});

test('a modal that was opened by a command has no message to update', () => {
  assert.deepEqual(late(modalSubmit('report:1'), 5, { type: 7, data: {} }).calls, ['DELETE @original']);
});

test('a notice replaces a deferred message, and follows up on a component', () => {
  const press = component('page:2');
  assert.deepEqual(shown(press, [lateNotice(press, 5, 'sorry')]), ['PATCH @original {"content":"sorry"}']);
  assert.deepEqual(shown(press, [lateNotice(press, 6, 'sorry')]), ['POST {"content":"sorry","flags":64}']);
});
