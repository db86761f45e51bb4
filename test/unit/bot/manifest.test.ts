// Commands are looked up by type and name, as Discord's names are unique for each type; HTTP pods of an earlier version know names only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineBot } from '../../../src/bot/define-bot.ts';
import { commandRule, findCommand, manifestOf } from '../../../src/bot/manifest.ts';
import type { BotManifest, Command } from '../../../src/bot/types.ts';
import { deferralOf } from '../../../src/http/endpoints/deferral.ts';

const run = () => ({ type: 4 as const, data: { content: '' } });
const slash: Command = { name: 'report', description: 'x', run, ephemeral: true };
const user: Command = { name: 'report', type: 2, run, deferrable: false };
const message: Command = { name: 'report', type: 3, run };
const bot = defineBot({ name: 'test', commands: [slash, user, message, { name: 'ban', description: 'x', run }] });
/** In the form that an HTTP pod gets in a handshake. */
const manifest: BotManifest = JSON.parse(JSON.stringify(manifestOf(bot)));

const deferral = (type: number | undefined, given: BotManifest, name = 'report') =>
  deferralOf({ id: '1', type: 2, guild_id: null, data: { name, type } }, given);

test('a name is unique per type only', () => {
  assert.equal(bot.commands?.length, 4);
  for (const [first, second] of [
    [user, user],
    [slash, { ...slash, type: 1 as const }],
  ] as const) {
    assert.throws(() => defineBot({ name: 'test', commands: [first, second] }), {
      code: 'BOT_INVALID',
      message: /two commands of type [12] are named "report"/,
    });
  }
});

test('a command is found by its type and name', () => {
  const commands = bot.commands ?? [];
  assert.equal(findCommand(commands, 'report', 1), slash);
  assert.equal(findCommand(commands, 'report'), slash);
  assert.equal(findCommand(commands, 'report', 2), user);
  assert.equal(findCommand(commands, 'report', 3), message);
  assert.equal(findCommand(commands, 'report', 4), undefined);
  assert.equal(findCommand(commands, 'ban', 2), undefined);
});

test('an HTTP pod defers each command as declared', () => {
  assert.deepEqual(deferral(1, manifest), { deferrable: true, ephemeral: true, type: 5 });
  assert.deepEqual(deferral(undefined, manifest), { deferrable: true, ephemeral: true, type: 5 });
  assert.equal(deferral(2, manifest), null);
  assert.deepEqual(deferral(3, manifest), { deferrable: true, ephemeral: false, type: 5 });
  const unknown = { deferrable: true, ephemeral: true, type: 5 };
  assert.deepEqual(deferral(2, manifest, 'ban'), unknown, 'not the rule of the slash command');
  assert.deepEqual(deferral(3, manifest, '__proto__'), unknown);
});

test('an older HTTP pod, which reads only names, never defers more openly than any command of that name allows', () => {
  assert.deepEqual(manifest.commands, {
    report: { deferrable: false, ephemeral: true, type: 5 },
    ban: { deferrable: true, ephemeral: false, type: 5 },
  });
});

test('the manifest of an older gateway pod has only names', () => {
  const { commandsByType: _, ...rest } = manifestOf(defineBot({ name: 'test', commands: [user] }));
  assert.equal(deferral(2, rest), null);
  assert.equal(commandRule({}, 'report', 2), undefined);
});

test('a command may have any name', () => {
  const named = manifestOf(defineBot({ name: 'test', commands: [{ ...user, name: '__proto__' }] }));
  assert.equal(commandRule(named, '__proto__', 2)?.deferrable, false);
  assert.ok(Object.hasOwn(named.commands, '__proto__'));
});
