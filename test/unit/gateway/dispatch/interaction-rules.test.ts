import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { APIInteraction } from 'discord-api-types/v10';
import { apology, choicesResponse, findResponseProblem } from '../../../../src/gateway/dispatch/interaction-rules.ts';

const interaction = (type: number, more: object = {}): APIInteraction => ({ type, ...more }) as APIInteraction;

test('a response that Discord would reject is detected with the reason', () => {
  assert.equal(findResponseProblem(interaction(2), { type: 4 }), null);
  assert.equal(findResponseProblem(interaction(2), undefined), 'it returned undefined, not a response');
  assert.equal(findResponseProblem(interaction(2), { type: 7 }), 'response type 7 is not one of 4, 5, 9, 12');
  assert.match(findResponseProblem(interaction(5), { type: 9 }) ?? '', /not one of/, 'a modal opens no modal');
  assert.match(findResponseProblem(interaction(5), { type: 7 }) ?? '', /changes a message, but there is none/);
  assert.equal(findResponseProblem(interaction(5, { message: {} }), { type: 7 }), null);
});

test("an apology is ephemeral, and empty where no message is allowed; choices are cut to Discord's limit", () => {
  assert.deepEqual(apology(interaction(2), 'sorry'), { type: 4, data: { content: 'sorry', flags: 64 } });
  assert.deepEqual(apology(interaction(4), 'sorry'), { type: 8, data: { choices: [] } });
  const { data } = choicesResponse(new Array(30).fill({ name: 'a', value: 'a' })) as { data: { choices: unknown[] } };
  assert.equal(data.choices.length, 25);
});
