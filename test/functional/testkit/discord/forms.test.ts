import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ComponentType, MessageFlags, PermissionFlagsBits } from 'discord-api-types/v10';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import type { InteractionInput } from '../../../../testkit/discord/interactions/input.ts';
import { call, type Json } from '../../../support/simulator.ts';

const V2 = MessageFlags.IsComponentsV2;
const text = (content: string) => ({ type: ComponentType.TextDisplay, content });
const label = (component: object) => ({ type: ComponentType.Label, label: 'Label', component });

describe('the simulator takes and sends what Discord does', () => {
  let simulator: DiscordSimulator;
  let channelId: string;
  let channels: string[];
  let next = 0;
  const payloadOf = (input: InteractionInput): Json => simulator.interactions.create(input).payload;

  before(async () => {
    simulator = await startDiscordSimulator({ guilds: 3, globalRequestsPerSecond: 1_000 });
    const texts = [...simulator.guilds].flatMap((guild) => guild.channels.filter(({ type }) => type === 0));
    channels = texts.map(({ id }) => id);
    channelId = channels.pop() as string;
  });
  after(() => simulator.stop());

  /** The errors of a message by path, as `code: message`. */
  async function refused(body: object, messageId?: string): Promise<Record<string, string>> {
    // A channel accepts five messages in five seconds.
    const at = messageId === undefined ? (channels[next++ % channels.length] as string) : channelId;
    const path = `/channels/${at}/messages${messageId === undefined ? '' : `/${messageId}`}`;
    const answer = await call(simulator, messageId === undefined ? 'POST' : 'PATCH', path, body);
    assert.deepEqual([answer.status, answer.json.code], [400, 50035], JSON.stringify(answer.json));
    const found: Record<string, string> = {};
    const walk = (node: Json, at: string): void => {
      for (const { code, message } of node._errors ?? []) found[at] = `${code}: ${message}`;
      for (const [name, child] of Object.entries(node))
        if (name !== '_errors') walk(child, at === '' ? name : `${at}.${name}`);
    };
    walk(answer.json.errors, '');
    return found;
  }

  test('a message of components has no content, embeds, stickers or poll, in its first form and in every edit', async () => {
    const legacy = (field: string) =>
      `MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2: The '${field}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2`;
    const components = [text('hello')];
    const body = { flags: V2, components, content: 'x', embeds: [{ title: 'x' }], sticker_ids: ['1'], poll: {} };
    assert.deepEqual(await refused(body), {
      content: legacy('content'),
      embeds: legacy('embeds'),
      sticker_ids: legacy('sticker_ids'),
      poll: legacy('poll'),
    });
    const path = `/channels/${channelId}/messages`;
    const sent = await call(simulator, 'POST', path, { flags: V2, components, content: '', embeds: [] });
    assert.equal(sent.status, 200);
    assert.deepEqual(await refused({ content: 'x' }, sent.json.id), { content: legacy('content') }, 'the flag stays');
    const old = await call(simulator, 'POST', path, { content: 'x' });
    assert.deepEqual(await refused({ flags: V2, components }, old.json.id), { content: legacy('content') });
    const turned = await call(simulator, 'PATCH', `${path}/${old.json.id}`, { flags: V2, components, content: null });
    assert.deepEqual([turned.status, turned.json.flags & V2], [200, V2]);
  });

  test('components are accepted only where Discord allows them, and in limited number', async () => {
    const choices = (types: string) => `UNION_TYPE_CHOICES: Value of field "type" must be one of (${types}).`;
    assert.deepEqual(await refused({ components: [text('x')] }), { 'components.0': choices('1,') });
    const row = { type: 1, components: [{ type: 1, components: [] }] };
    assert.deepEqual(await refused({ components: [row] }), {
      'components.0.components.0': choices('2, 3, 5, 6, 7, 8'),
    });
    const nested = { type: 17, components: [{ type: 17, components: [text('x')] }] };
    assert.deepEqual(await refused({ flags: V2, components: [nested] }), {
      'components.0.components.0': choices('1, 9, 10, 12, 13, 14'),
    });
    const section = { type: 9, components: [text('x')] };
    assert.deepEqual(await refused({ flags: V2, components: [section] }), {
      'components.0.accessory': 'BASE_TYPE_REQUIRED: This field is required',
    });
    const many = { type: 17, components: Array.from({ length: 40 }, () => text('x')) };
    assert.match((await refused({ flags: V2, components: [many] })).components ?? '', /^COMPONENT_MAX_TOTAL_/);
    const long = await refused({ flags: V2, components: [text('x'.repeat(2_001)), text('x'.repeat(2_000))] });
    assert.match(long.components ?? '', /^COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED: .* 4000$/);
  });

  test('a bulk overwrite must include the Entry Point command, and names are unique per type', async () => {
    const path = `/applications/${simulator.applicationId}/commands`;
    const slash = { name: 'warn', description: 'x' };
    const launch = { name: 'launch', type: 4, handler: 2 };
    assert.equal((await call(simulator, 'POST', path, launch)).status, 201);
    const without = await call(simulator, 'PUT', path, [slash]);
    assert.deepEqual([without.status, without.json.code], [400, 50240]);
    assert.match(
      without.json.message,
      /^You cannot remove this app's Entry Point command in a bulk update operation\./,
    );
    assert.equal((await call(simulator, 'PUT', path, [slash, launch, { name: 'warn', type: 2 }])).status, 200);
    const twice = await call(simulator, 'PUT', path, [slash, launch, slash]);
    assert.deepEqual(twice.json.errors, {
      '2': {
        _errors: [{ code: 'APPLICATION_COMMANDS_DUPLICATE_NAME', message: 'Application command names must be unique' }],
      },
    });
    const [entry] = simulator.commands.list(null).filter(({ type }) => type === 4);
    await call(simulator, 'DELETE', `${path}/${entry?.id}`);
    assert.equal((await call(simulator, 'PUT', path, [slash])).status, 200, 'deleted by itself it is gone');
  });

  test('a submitted modal has what was entered in the form of each component, and files and selections resolved', async () => {
    const guild = simulator.guilds.at(0);
    const [userId, roleId] = [guild.memberIds[0] as string, guild.roles[1]?.id as string];
    const options = [
      { label: 'One', value: 'one' },
      { label: 'Two', value: 'two', default: true },
    ];
    const components = [
      text('Fill in'),
      label({ type: ComponentType.TextInput, custom_id: 'text', style: 1 }),
      label({ type: ComponentType.RadioGroup, custom_id: 'radio', options }),
      label({ type: ComponentType.CheckboxGroup, custom_id: 'boxes', options }),
      label({ type: ComponentType.Checkbox, custom_id: 'box', default: true }),
    ];
    const submit = async (form: object[], fields: Extract<InteractionInput, { kind: 'modal' }>['fields']) =>
      payloadOf({ kind: 'modal', customId: await openModal(simulator, form), userId: guild.ownerId, fields });
    const values = ({ data }: Json) => data.components.map(({ component = null }: Json) => component);
    const filled = await submit(components, { text: 'typed', radio: 'one', boxes: ['one', 'two'], box: false });
    assert.deepEqual(values(filled), [
      null,
      { id: 3, type: 4, custom_id: 'text', value: 'typed' },
      { id: 5, type: 21, custom_id: 'radio', value: 'one' },
      { id: 7, type: 22, custom_id: 'boxes', values: ['one', 'two'] },
      { id: 9, type: 23, custom_id: 'box', value: false },
    ]);
    assert.deepEqual(filled.data.components[0], { id: 1, type: 10 });
    const untouched = values(await submit(components, {}));
    assert.deepEqual(
      untouched.slice(1).map(({ value, values: many }: Json) => value ?? many),
      ['', 'two', ['two'], true],
    );
    const none = values(await submit(components, { radio: '', boxes: [] }));
    assert.deepEqual([none[2].value, none[3].values], [null, []]);

    const form = [
      label({ type: ComponentType.UserSelect, custom_id: 'user' }),
      label({ type: ComponentType.MentionableSelect, custom_id: 'any', max_values: 2 }),
      label({ type: ComponentType.FileUpload, custom_id: 'files' }),
    ];
    const file = { filename: 'bug.txt', content: 'it broke' };
    const { data } = await submit(form, { user: [userId], any: [roleId, userId], files: [file] });
    const [fileId] = data.components[2].component.values;
    const attachment = data.resolved.attachments[fileId];
    assert.deepEqual([attachment.filename, attachment.size, attachment.ephemeral], ['bug.txt', 8, true]);
    assert.equal(await (await fetch(attachment.url)).text(), 'it broke');
    assert.deepEqual(Object.keys(data.resolved.roles), [roleId]);
    assert.equal(data.resolved.users[userId].id, userId);
    const member = data.resolved.members[userId];
    assert.deepEqual([member.user, member.deaf, member.mute], [undefined, undefined, undefined]);
  });

  test('resolved channels carry the permissions of the user and the application there', () => {
    const guild = simulator.guilds.at(1);
    const [memberId = ''] = guild.memberIds;
    const channel = guild.channels[2] as Json;
    const overwrite = { id: guild.id, type: 0, allow: '0', deny: String(PermissionFlagsBits.SendMessages) };
    channel.permission_overwrites = [overwrite];
    const place = { guildId: guild.id, channelId: channel.id, userId: memberId };
    const payload = payloadOf({ kind: 'command', ...place, name: 'x' });
    assert.equal(BigInt(payload.member.permissions) & PermissionFlagsBits.SendMessages, 0n);
    assert.notEqual(BigInt(payload.member.permissions) & PermissionFlagsBits.ViewChannel, 0n);
    assert.equal(BigInt(payload.app_permissions) & PermissionFlagsBits.SendMessages, 0n);
    channel.permission_overwrites = [];
    assert.notEqual(
      BigInt(payloadOf({ kind: 'command', ...place, name: 'x' }).app_permissions) & PermissionFlagsBits.SendMessages,
      0n,
    );
  });

  test('an attachment, a channel and a language reach the bot as Discord sends them', async () => {
    const guild = simulator.guilds.at(1);
    const command = {
      name: 'report',
      description: 'x',
      options: [
        { name: 'proof', description: 'x', type: 11 },
        { name: 'where', description: 'x', type: 7 },
      ],
    };
    await call(simulator, 'POST', `/applications/${simulator.applicationId}/commands`, command);
    const proof = { filename: 'proof.png', contentType: 'image/png', content: new Uint8Array([1, 2, 3]) };
    const where = guild.channels[1]?.id as string;
    const entitlements = [{ id: '1', sku_id: '2', type: 8 }];
    const place = { guildId: guild.id, locale: 'de', entitlements };
    const { data, ...payload } = payloadOf({ kind: 'command', ...place, name: 'report', options: { proof, where } });
    const [{ value }] = data.options;
    assert.equal(data.options[0].type, 11);
    assert.deepEqual(data.resolved.attachments[value].content_type, 'image/png');
    const resolved = data.resolved.channels[where];
    assert.equal(resolved.permission_overwrites, undefined);
    assert.notEqual(BigInt(resolved.permissions), 0n);
    assert.notEqual(BigInt(resolved.app_permissions), 0n);
    assert.deepEqual([payload.locale, payload.entitlements], ['de', entitlements]);
    const direct = payloadOf({ kind: 'command', guildId: null, name: 'report' });
    const { AttachFiles, EmbedLinks, MentionEveryone, UseExternalEmojis } = PermissionFlagsBits;
    assert.equal(direct.app_permissions, String(AttachFiles | EmbedLinks | MentionEveryone | UseExternalEmojis));
  });

  test("the bot's guilds are paged and include its permissions", async () => {
    const all = await call(simulator, 'GET', '/users/@me/guilds?with_counts=true');
    const [first, second] = all.json;
    assert.deepEqual(
      all.json.map(({ id }: Json) => id),
      simulator.guilds.ids.toSorted((a, b) => Number(BigInt(a) - BigInt(b))),
    );
    assert.notEqual(BigInt(first.permissions), 0n);
    assert.ok(first.approximate_member_count > 1);
    assert.deepEqual([first.icon, first.banner, first.owner, first.features], [null, null, false, []]);
    const page = await call(simulator, 'GET', `/users/@me/guilds?limit=1&after=${first.id}`);
    assert.deepEqual(
      page.json.map(({ id }: Json) => id),
      [second.id],
    );
    const wrong = await call(simulator, 'GET', '/users/@me/guilds?limit=201');
    assert.equal(wrong.json.errors.limit._errors[0].code, 'NUMBER_TYPE_MAX');
  });
});

let modals = 0;
/** Answers a command with a modal of these components. @returns its custom id */
async function openModal(simulator: DiscordSimulator, components: object[]): Promise<string> {
  const { id: guildId, ownerId: userId } = simulator.guilds.at(0);
  const customId = `modal ${++modals}`;
  const { id, token } = simulator.interactions.create({ kind: 'command', guildId, userId, name: 'open' });
  const data = { custom_id: customId, title: 'Form', components };
  const answer = await call(simulator, 'POST', `/interactions/${id}/${token}/callback`, { type: 9, data }, null);
  assert.equal(answer.status, 204, JSON.stringify(answer.json));
  return customId;
}
