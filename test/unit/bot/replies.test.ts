import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ActionRowBuilder,
  ButtonBuilder,
  ButtonStyle,
  EmbedBuilder,
  ModalBuilder,
  TextInputBuilder,
  TextInputStyle,
} from 'discord.js';
import { modal, reply, update, whisper } from '../../../src/bot/replies.ts';

test('replies have the form that Discord accepts', () => {
  assert.deepEqual(reply('hello'), { type: 4, data: { content: 'hello' } });
  assert.deepEqual(whisper('hello'), { type: 4, data: { content: 'hello', flags: 64 } });
  assert.deepEqual(
    whisper({ content: 'x', flags: 4 }),
    { type: 4, data: { content: 'x', flags: 68 } },
    'other flags stay',
  );
  assert.deepEqual(update({ components: [] }), { type: 7, data: { components: [] } });
  const form = { custom_id: 'reason', title: 'Reason', components: [] };
  assert.deepEqual(modal(form), { type: 9, data: form });
});

test('builders of discord.js are taken as they are', () => {
  const embed = new EmbedBuilder().setTitle('A poll');
  const button = new ButtonBuilder().setCustomId('vote:1').setLabel('Yes').setStyle(ButtonStyle.Primary);
  const row = new ActionRowBuilder<ButtonBuilder>().addComponents(button);
  const wire = (response: unknown) =>
    JSON.parse(JSON.stringify(response)) as { type: number; data: Record<string, unknown> };
  const expected = {
    embeds: [{ title: 'A poll' }],
    components: [{ type: 1, components: [{ type: 2, custom_id: 'vote:1', label: 'Yes', style: 1 }] }],
  };
  assert.deepEqual(wire(reply({ embeds: [embed], components: [row] })), { type: 4, data: expected });
  assert.deepEqual(wire(whisper({ embeds: [embed], components: [row] })).data, { ...expected, flags: 64 });
  const text = new TextInputBuilder().setCustomId('why').setLabel('Why?').setStyle(TextInputStyle.Short);
  const form = new ModalBuilder()
    .setCustomId('reason')
    .setTitle('Why?')
    .addComponents(new ActionRowBuilder<TextInputBuilder>().addComponents(text));
  const components = [{ type: 1, components: [{ type: 4, custom_id: 'why', label: 'Why?', style: 1 }] }];
  assert.deepEqual(wire(modal(form)), { type: 9, data: { custom_id: 'reason', title: 'Why?', components } });
});
