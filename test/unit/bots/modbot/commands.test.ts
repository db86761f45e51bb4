import assert from 'node:assert/strict';
import { test } from 'node:test';
import modbot from '../../../../bots/modbot/index.ts';
import { manifestOf } from '../../../../src/bot/manifest.ts';
import {
  autocomplete,
  CHANNEL,
  createHarness,
  GUILD,
  MEMBER,
  MODERATOR,
  messageOf,
  press,
  snowflake,
  submit,
  useCommand,
  useMessageCommand,
} from './harness.ts';

const warnOptions = (reason: string, user = MEMBER) => [
  { name: 'user', value: user },
  { name: 'reason', value: reason },
];
const subcommand = (name: string, options: { name: string; value: unknown }[] = []) => [{ name, options }];
interface Button {
  readonly custom_id: string;
  readonly disabled?: boolean;
}
const buttonsOf = (rows: readonly unknown[] | undefined): Button[] =>
  ((rows ?? []) as { components: Button[] }[]).flatMap(({ components }) => components);

test('the manifest tells HTTP pods how each command may be deferred', () => {
  const { commands, components, modals } = manifestOf(modbot);
  assert.deepEqual(commands.warn, { ephemeral: false, deferrable: true, type: 5 });
  assert.deepEqual(commands.note, { ephemeral: true, deferrable: true, type: 5 });
  assert.equal(commands.modlog?.ephemeral, true);
  assert.equal(commands.Report?.deferrable, false);
  assert.equal(components.modlog?.type, 6);
  assert.equal(modals.report?.ephemeral, true);
});

test('/warn records and counts the warning, and pings only the member', async () => {
  await using harness = await createHarness();
  const first = messageOf(await useCommand(harness.context(), 'warn', warnOptions('spam')));
  assert.match(first.content ?? '', new RegExp(`^<@${MEMBER}> has been warned: spam\n-# Case 1 · warning 1$`));
  assert.deepEqual(first.allowed_mentions, { users: [MEMBER] });
  assert.equal(first.components, undefined);
  const row = harness.db.get('SELECT guild_id, kind, user_id, moderator_id, reason FROM cases');
  assert.deepEqual(
    { ...row },
    { guild_id: GUILD, kind: 'warn', user_id: MEMBER, moderator_id: MODERATOR, reason: 'spam' },
  );
});

test('the same warning delivered twice is one warning', async () => {
  await using harness = await createHarness();
  const id = snowflake();
  const deliver = () => useCommand(harness.context({ identity: `interaction:${id}` }), 'warn', warnOptions('spam'), id);
  assert.deepEqual(await deliver(), await deliver());
  assert.equal(harness.db.all('SELECT * FROM cases').length, 1);
});

test('cases are numbered per guild', async () => {
  await using harness = await createHarness();
  await useCommand(harness.context(), 'warn', warnOptions('a'));
  await useCommand(harness.context({ guildId: '81384788765712384' }), 'warn', warnOptions('b'));
  await useCommand(harness.context(), 'warn', warnOptions('c'));
  const rows = harness.db.all<{ guild_id: string; number: number }>(
    'SELECT guild_id, number FROM cases ORDER BY guild_id, number',
  );
  assert.deepEqual(
    rows.map(({ guild_id, number }) => [guild_id, number]),
    [
      [GUILD, 1],
      [GUILD, 2],
      ['81384788765712384', 1],
    ],
  );
});

test('at the limit a timeout is suggested, and its button applies it once', async () => {
  await using harness = await createHarness();
  await useCommand(harness.context(), 'warn', warnOptions('a'));
  await useCommand(harness.context(), 'warn', warnOptions('b'));
  const third = messageOf(await useCommand(harness.context(), 'warn', warnOptions('c')));
  assert.deepEqual(
    buttonsOf(third.components).map(({ custom_id }) => custom_id),
    [`timeout:${MEMBER}:60`],
  );

  const id = snowflake();
  const deliver = () =>
    press(harness.context({ identity: `interaction:${id}` }), `timeout:${MEMBER}:60`, { id, content: 'warned' });
  const answer = await deliver();
  assert.equal(answer.type, 7);
  assert.deepEqual(messageOf(answer).components, []);
  assert.deepEqual(await deliver(), answer);
  assert.equal(harness.db.all(`SELECT * FROM cases WHERE kind = 'timeout'`).length, 1);
  const [first, second] = harness.restCalls;
  assert.equal(first?.method, 'PATCH');
  assert.equal(first?.path, `/v10/guilds/${GUILD}/members/${MEMBER}`);
  // A repetition sends Discord the same end: it must not extend the timeout.
  assert.deepEqual(second?.body, first?.body);
});

test('only moderators can press the buttons', async () => {
  await using harness = await createHarness();
  for (const customId of [`timeout:${MEMBER}:60`, 'modlog:1:all']) {
    const answer = await press(harness.context(), customId, { permissions: 0n });
    assert.equal(messageOf(answer).flags, 64);
  }
  assert.equal(harness.restCalls.length, 0);
});

test('with at-limit timeout the member is timed out, and a failure is reported', async () => {
  await using harness = await createHarness();
  const options = [
    { name: 'warning-limit', value: 1 },
    { name: 'at-limit', value: 'timeout' },
    { name: 'timeout-minutes', value: 5 },
  ];
  await useCommand(harness.context(), 'settings', subcommand('set', options));
  const done = messageOf(await useCommand(harness.context(), 'warn', warnOptions('a')));
  assert.match(done.content ?? '', /Timed out for 5 min \(case 2\)\.$/);
  harness.restStatus = 403;
  const refused = messageOf(await useCommand(harness.context(), 'warn', warnOptions('b')));
  assert.match(refused.content ?? '', /refused/);
  assert.equal(harness.db.all(`SELECT * FROM cases WHERE kind = 'timeout'`).length, 1);
});

test('autocomplete suggests earlier reasons of this guild, the most used first', async () => {
  await using harness = await createHarness();
  for (const reason of ['Spam links', 'Spam links', 'Insults', 'Spam in general', 'x'.repeat(101)]) {
    await useCommand(harness.context(), 'warn', warnOptions(reason));
  }
  await useCommand(harness.context({ guildId: '81384788765712384' }), 'warn', warnOptions('Spam elsewhere'));
  const suggest = async (typed: string) =>
    (await autocomplete(harness.context(), 'warn', [{ name: 'reason', value: typed, focused: true }])).map(
      ({ value }) => value,
    );
  assert.deepEqual(await suggest('spam'), ['Spam links', 'Spam in general']);
  assert.deepEqual(await suggest(''), ['Spam links', 'Spam in general', 'Insults']);
  assert.deepEqual(await suggest('%'), []);
});

test('only the moderator sees /note', async () => {
  await using harness = await createHarness();
  const options = [
    { name: 'user', value: MEMBER },
    { name: 'text', value: 'talked to them' },
  ];
  const message = messageOf(await useCommand(harness.context(), 'note', options));
  assert.equal(message.flags, 64);
  assert.deepEqual(message.allowed_mentions, { parse: [] });
});

test('/modlog pages with its buttons, and stops at both ends', async () => {
  await using harness = await createHarness();
  for (let i = 1; i <= 12; i++) await useCommand(harness.context(), 'warn', warnOptions(`reason ${i}`));
  const first = await useCommand(harness.context(), 'modlog', []);
  assert.equal(messageOf(first).flags, 64);
  assert.equal(messageOf(first).embeds?.[0]?.footer?.text, 'Page 1 of 3 · 12 cases');
  assert.match(messageOf(first).embeds?.[0]?.description ?? '', /reason 12.*reason 8$/s);
  const [back, forward] = buttonsOf(messageOf(first).components);
  assert.equal(back?.disabled, true);
  assert.equal(forward?.custom_id, 'modlog:2:all');

  const last = await press(harness.context(), 'modlog:3:all');
  assert.equal(last.type, 7);
  assert.match(messageOf(last).embeds?.[0]?.description ?? '', /reason 2.*reason 1$/s);
  assert.deepEqual(
    buttonsOf(messageOf(last).components).map(({ disabled }) => disabled),
    [false, true],
  );
});

test('/modlog of one member, visible to everyone', async () => {
  await using harness = await createHarness();
  await useCommand(harness.context(), 'warn', warnOptions('theirs'));
  await useCommand(harness.context(), 'warn', warnOptions('other', MODERATOR));
  const options = [
    { name: 'user', value: MEMBER },
    { name: 'public', value: true },
  ];
  const message = messageOf(await useCommand(harness.context(), 'modlog', options));
  assert.equal(message.flags, undefined);
  assert.match(message.embeds?.[0]?.description ?? '', /theirs/);
  assert.doesNotMatch(message.embeds?.[0]?.description ?? '', /other/);
});

test('Report opens a modal, records the report and posts it once, even if it is delivered twice', async () => {
  await using harness = await createHarness();
  await useCommand(harness.context(), 'settings', subcommand('set', [{ name: 'report-channel', value: CHANNEL }]));
  const message = { id: '41771983423143937', channel_id: CHANNEL, author: { id: MODERATOR }, content: 'secret words' };
  const opened = await useMessageCommand(harness.context(), 'Report', message);
  assert.equal(opened.type, 9);
  const customId = (messageOf(opened as never) as unknown as { custom_id: string }).custom_id;

  const id = snowflake();
  const deliver = () => submit(harness.context({ identity: `interaction:${id}` }), customId, { reason: 'rude' }, id);
  assert.equal(messageOf(await deliver()).flags, 64);
  await deliver();
  const rows = harness.db.all<{ user_id: string; message_id: string; reason: string }>('SELECT * FROM cases');
  assert.equal(rows.length, 1);
  assert.deepEqual([rows[0]?.user_id, rows[0]?.message_id, rows[0]?.reason], [MODERATOR, message.id, 'rude']);
  assert.doesNotMatch(JSON.stringify(rows), /secret words/);
  const [post, again] = harness.restCalls;
  assert.equal(post?.path, `/v10/channels/${CHANNEL}/messages`);
  assert.equal(post?.body.enforce_nonce, true);
  assert.equal(again?.body.nonce, post?.body.nonce);
});

test('a report is recorded even if its channel is not writable', async () => {
  await using harness = await createHarness();
  harness.restStatus = 403;
  await useCommand(harness.context(), 'settings', subcommand('set', [{ name: 'report-channel', value: CHANNEL }]));
  const answer = await submit(harness.context(), `report:${CHANNEL}:1:${MEMBER}`, { reason: 'rude' });
  assert.match(messageOf(answer).content ?? '', /^Thank you/);
  const forged = await submit(harness.context(), 'report:x:y:z', { reason: 'rude' });
  assert.match(messageOf(forged).content ?? '', /no longer valid/);
  assert.equal(harness.db.all('SELECT * FROM cases').length, 1);
});

test('/settings shows, changes and resets the settings', async () => {
  await using harness = await createHarness();
  const use = async (name: string, options: { name: string; value: unknown }[] = []) =>
    messageOf(await useCommand(harness.context(), 'settings', subcommand(name, options))).content ?? '';
  assert.match(await use('show'), /from 3 on, a timeout is suggested/);
  assert.match(await use('set', [{ name: 'warning-limit', value: 5 }]), /from 5 on, a timeout is suggested/);
  assert.match(await use('set', [{ name: 'at-limit', value: 'nothing' }]), /from 5 on, nothing happens/);
  assert.match(await use('reset'), /from 3 on/);
});
