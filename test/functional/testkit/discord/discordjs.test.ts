import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  ActionRowBuilder,
  ButtonBuilder,
  type ButtonInteraction,
  ButtonStyle,
  type ChatInputCommandInteraction,
  Client,
  type ClientOptions,
  Events,
  GatewayIntentBits,
  type Interaction,
  type Message,
  MessageFlags,
  ModalBuilder,
  SlashCommandBuilder,
  Status,
  TextInputBuilder,
  TextInputStyle,
} from 'discord.js';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { until } from '../../../support/simulator.ts';

const { Guilds, GuildMessages, MessageContent, GuildMembers, GuildModeration } = GatewayIntentBits;

function createClient(simulator: DiscordSimulator, shards: number, options: Partial<ClientOptions> = {}): Client {
  return new Client({
    intents: [Guilds, GuildMessages, MessageContent, GuildMembers, GuildModeration],
    rest: { api: simulator.apiUrl },
    shards: Array.from({ length: shards }, (_, shard) => shard),
    shardCount: shards,
    ...options,
  });
}

async function login(client: Client, token: string): Promise<void> {
  const ready = new Promise((resolve) => client.once(Events.ClientReady, resolve));
  await client.login(token);
  await ready;
}

describe("discord.js's Client on the simulator", () => {
  let simulator: DiscordSimulator;
  let client: Client;
  /** Handles the next interactions. */
  let handle: (interaction: Interaction) => Promise<unknown>;
  const failures: unknown[] = [];

  before(async () => {
    simulator = await startDiscordSimulator({ guilds: 30, identifyWindowMs: 0 });
    // Buckets open immediately here; by default the library waits five seconds before it identifies a shard again.
    const buildIdentifyThrottler = async () => ({ waitForIdentify: async () => {} });
    client = createClient(simulator, 3, { ws: { buildIdentifyThrottler } });
    client.on(Events.InteractionCreate, (interaction) => {
      handle(interaction).catch((error: unknown) => failures.push(error));
    });
    await login(client, simulator.token);
  });

  after(async () => {
    await client.destroy();
    await simulator.stop();
    assert.deepEqual(failures, []);
    assert.deepEqual(simulator.violations.list(), []);
  });

  test('is ready with every guild on its shard', () => {
    assert.equal(client.user?.id, simulator.applicationId);
    assert.equal(client.guilds.cache.size, 30);
    for (const guild of simulator.guilds) {
      const cached = client.guilds.cache.get(guild.id);
      assert.equal(cached?.available, true);
      assert.equal(cached?.name, guild.name);
      assert.equal(cached?.shardId, Number((BigInt(guild.id) >> 22n) % 3n));
      assert.equal(cached?.channels.cache.size, guild.channels.length);
      assert.equal(cached?.memberCount, guild.members.size);
      assert.ok(cached?.members.me, 'the bot is a member');
    }
    assert.deepEqual(
      simulator.gateway
        .sessions()
        .map(({ shard }) => shard)
        .sort(),
      [0, 1, 2],
    );
    assert.deepEqual(Object.keys(simulator.rest.counts()), ['GET /gateway/bot']);
  });

  test('gets messages, and fetches members over the gateway', async () => {
    const guild = simulator.guilds.at(4);
    const heard = new Promise<Message>((resolve) => client.once(Events.MessageCreate, resolve));
    const userId = guild.memberIds[0] as string;
    const { messageId } = simulator.events.messageCreate({ guildId: guild.id, userId, content: 'hello there' });
    const message = await heard;
    assert.deepEqual(
      [message.id, message.content, message.guildId, message.author.id, message.member?.id],
      [messageId, 'hello there', guild.id, userId, userId],
    );
    const members = await client.guilds.cache.get(guild.id)?.members.fetch();
    assert.equal(members?.size, guild.members.size);
  });

  test('registers commands', async () => {
    const warn = new SlashCommandBuilder()
      .setName('warn')
      .setDescription('Warns a member')
      .addUserOption((option) => option.setName('user').setDescription('Whom').setRequired(true))
      .addStringOption((option) => option.setName('reason').setDescription('Why').setAutocomplete(true));
    const commands = await client.application?.commands.set([warn]);
    assert.deepEqual(
      [...(commands?.values() ?? [])].map(({ name }) => name),
      ['warn'],
    );
    const own = await client.application?.commands.set([warn], simulator.guilds.at(0).id);
    assert.equal(own?.size, 1);
    const id = own?.first()?.id as string;
    await client.application?.commands.edit(id, { description: 'Changed' }, simulator.guilds.at(0).id);
    assert.equal(simulator.commands.get(simulator.guilds.at(0).id, id).description, 'Changed');
    await client.application?.commands.delete(id, simulator.guilds.at(0).id);
    const fetched = await client.application?.commands.fetch();
    assert.equal(fetched?.size, 1);
  });

  const use = (name = 'warn') => {
    const guild = simulator.guilds.at(7);
    return simulator.interactions.command({
      guildId: guild.id,
      name,
      options: { user: guild.memberIds[0], reason: 'spam' },
    });
  };
  const command = (run: (interaction: ChatInputCommandInteraction) => Promise<unknown>) => {
    handle = (interaction) => {
      assert.ok(interaction.isChatInputCommand());
      return run(interaction);
    };
  };

  test('replies, with and without the response', async () => {
    const guild = simulator.guilds.at(7);
    command(async (interaction) => {
      assert.equal(interaction.options.getUser('user', true).id, guild.memberIds[0]);
      assert.equal(interaction.options.getString('reason'), 'spam');
      assert.equal(interaction.guild?.name, guild.name);
      assert.equal(interaction.memberPermissions?.has('Administrator'), true);
      await interaction.reply('warned');
    });
    const plain = await use();
    assert.deepEqual([plain.outcome, plain.via, plain.message?.content], ['answered', 'gateway', 'warned']);
    let replied: string | undefined;
    command(async (interaction) => {
      const response = await interaction.reply({
        content: 'secret',
        flags: MessageFlags.Ephemeral,
        withResponse: true,
      });
      replied = response.resource?.message?.id;
    });
    const full = await use();
    await until('the reply', () => replied === full.message?.id);
    assert.equal(full.message?.flags, 64);
  });

  test('defers, edits, follows up, fetches and deletes', async () => {
    let steps: string[] = [];
    command(async (interaction) => {
      await interaction.deferReply({ flags: MessageFlags.Ephemeral });
      const edited = await interaction.editReply({ embeds: [{ title: 'Log', description: 'three entries' }] });
      const fetched = await interaction.fetchReply();
      const more = await interaction.followUp({ content: 'more', flags: MessageFlags.Ephemeral });
      await interaction.deleteReply(more);
      steps = [edited.embeds[0]?.title ?? '', fetched.id, more.content];
    });
    const result = await use();
    assert.equal(result.outcome, 'deferred');
    const { outcome, message } = await result.settled(3000);
    assert.equal(outcome, 'completed');
    await until('the handler to end', () => steps.length === 3);
    assert.deepEqual(steps, ['Log', message?.id, 'more']);
    await until('the follow-up to be gone', () =>
      simulator.messages.all(result.channelId).every((one) => one.message.content !== 'more'),
    );
  });

  test('replies with a file', async () => {
    command((interaction) => interaction.reply({ files: [{ attachment: Buffer.from('a,b\n'), name: 'log.csv' }] }));
    const result = await use();
    assert.equal(result.message?.attachments[0]?.filename, 'log.csv');
  });

  test('opens a modal from a button, and answers the submission', async () => {
    const button = new ButtonBuilder().setCustomId('reason').setLabel('Give a reason').setStyle(ButtonStyle.Primary);
    const row = new ActionRowBuilder<ButtonBuilder>().addComponents(button);
    const input = new TextInputBuilder().setCustomId('text').setLabel('Reason').setStyle(TextInputStyle.Short);
    const inputs = new ActionRowBuilder<TextInputBuilder>().addComponents(input);
    const modal = new ModalBuilder().setCustomId('form').setTitle('Reason').addComponents(inputs);
    command((interaction) => interaction.reply({ content: 'why?', components: [row] }));
    const { message, userId, guildId } = await use();
    handle = (interaction) => (interaction as ButtonInteraction).showModal(modal);
    const opened = await simulator.interactions.component({ messageId: message?.id ?? '', customId: 'reason' });
    assert.equal(opened.responseType, 9);
    handle = async (interaction) => {
      assert.ok(interaction.isModalSubmit() && interaction.isFromMessage());
      await interaction.update({ content: interaction.fields.getTextInputValue('text'), components: [] });
    };
    const sent = await simulator.interactions.modalSubmit({
      guildId,
      userId,
      customId: 'form',
      fields: { text: 'spam' },
    });
    assert.deepEqual([sent.responseType, sent.message?.id, sent.message?.content], [7, message?.id, 'spam']);
  });

  test('updates the message of a button, and defers the update', async () => {
    const button = new ButtonBuilder().setCustomId('next').setLabel('Next').setStyle(ButtonStyle.Secondary);
    const row = new ActionRowBuilder<ButtonBuilder>().addComponents(button);
    command((interaction) => interaction.reply({ content: 'page 1', components: [row] }));
    const messageId = (await use()).message?.id ?? '';
    handle = async (interaction) => {
      await (interaction as ButtonInteraction).deferUpdate();
      await (interaction as ButtonInteraction).editReply('page 2');
    };
    const pressed = await simulator.interactions.component({ messageId, customId: 'next' });
    assert.equal(pressed.responseType, 6);
    const settled = await pressed.settled(3000);
    assert.deepEqual(
      [settled.outcome, settled.message?.id, settled.message?.content],
      ['completed', messageId, 'page 2'],
    );
  });

  test('suggests values', async () => {
    handle = async (interaction) => {
      assert.ok(interaction.isAutocomplete());
      const typed = interaction.options.getFocused();
      await interaction.respond([{ name: `${typed}am`, value: 'spam' }]);
    };
    const guildId = simulator.guilds.at(1).id;
    const result = await simulator.interactions.autocomplete({
      guildId,
      name: 'warn',
      options: { reason: 'sp' },
      focused: 'reason',
    });
    assert.deepEqual(result.response, { type: 8, data: { choices: [{ name: 'spam', value: 'spam' }] } });
  });

  test('moderates: a timeout, a ban, and an unban', async () => {
    const guild = simulator.guilds.at(9);
    const cached = client.guilds.cache.get(guild.id);
    const [first, second] = guild.memberIds as [string, string];
    const member = await cached?.members.fetch(first);
    await member?.timeout(60_000, 'spam');
    assert.ok(guild.members.get(first)?.communication_disabled_until);
    const banned = new Promise<string>((resolve) => client.once(Events.GuildBanAdd, (ban) => resolve(ban.user.id)));
    await cached?.bans.create(second, { reason: 'raid, with ünicode' });
    assert.equal(await banned, second);
    assert.equal(guild.members.has(second), false);
    assert.equal((await cached?.bans.fetch(second))?.reason, 'raid, with ünicode');
    await cached?.bans.remove(second);
    await assert.rejects(Promise.resolve(cached?.bans.fetch({ user: second, force: true })), { code: 10026 });
    const role = guild.roles.find(({ name }) => name === 'Moderator')?.id ?? '';
    await member?.roles.add(role);
    assert.deepEqual(guild.members.get(first)?.roles, [role]);
    await assert.rejects(Promise.resolve(cached?.members.ban(guild.ownerId)), { code: 50013 });
  });

  test('sends, edits and deletes messages in a channel', async () => {
    const channel = client.channels.cache.get(simulator.guilds.at(2).channels[1]?.id ?? '');
    assert.ok(channel?.isSendable());
    const message = await channel.send({ content: 'entry', embeds: [{ title: 'Case 1' }] });
    await message.edit('changed');
    const found = await channel.messages.fetch({ limit: 10 });
    assert.deepEqual(
      [...found.values()].map(({ content }) => content),
      ['changed'],
    );
    await message.delete();
    assert.equal(simulator.messages.get(message.id), undefined);
  });

  describe('after trouble', () => {
    interface Trouble {
      readonly name: string;
      readonly shard: number;
      readonly resumes: boolean;
      readonly act: (gateway: DiscordSimulator['gateway'], filter: { shard: number }) => number;
    }
    const troubles: Trouble[] = [
      { name: 'a cut connection', shard: 0, resumes: true, act: (gateway, filter) => gateway.dropSocket(filter) },
      { name: 'opcode 7', shard: 1, resumes: true, act: (gateway, filter) => gateway.reconnect(filter) },
      { name: 'close code 4000', shard: 2, resumes: true, act: (gateway, filter) => gateway.close(filter, 4000) },
      { name: 'close code 1001', shard: 0, resumes: true, act: (gateway, filter) => gateway.close(filter, 1001) },
      {
        name: 'opcode 9 with true',
        shard: 1,
        resumes: true,
        act: (gateway, filter) => gateway.invalidate(filter, { resumable: true }),
      },
      {
        name: 'opcode 9 with false',
        shard: 1,
        resumes: false,
        act: (gateway, filter) => gateway.invalidate(filter, { resumable: false }),
      },
      { name: 'close code 1000', shard: 2, resumes: false, act: (gateway, filter) => gateway.close(filter, 1000) },
    ];
    for (const { name, shard, resumes, act } of troubles) {
      test(`${name}: the shard ${resumes ? 'resumes, and misses nothing' : 'identifies again'}`, async () => {
        const { gateway, events, guilds } = simulator;
        const [former] = gateway.sessions({ shard });
        const guildId = [...guilds].find(({ id }) => (BigInt(id) >> 22n) % 3n === BigInt(shard))?.id ?? '';
        const heard: string[] = [];
        const listen = (message: Message) => heard.push(message.content);
        client.on(Events.MessageCreate, listen);
        assert.equal(act(gateway, { shard }), 1);
        if (resumes) events.messageCreate({ guildId, content: `meanwhile ${name}` });
        const now = await until('the shard to be back', () =>
          gateway
            .sessions({ shard, where: ({ connected }) => connected })
            .find(({ sessionId, resumes: count }) =>
              resumes ? count > (former?.resumes ?? 0) : sessionId !== former?.sessionId,
            ),
        );
        assert.equal(now.sessionId === former?.sessionId, resumes);
        await until('discord.js to be ready again', () => client.ws.shards.get(shard)?.status === Status.Ready);
        events.messageCreate({ guildId, content: `after ${name}` });
        await until('the message after it', () => heard.includes(`after ${name}`));
        assert.deepEqual(heard, resumes ? [`meanwhile ${name}`, `after ${name}`] : [`after ${name}`]);
        client.off(Events.MessageCreate, listen);
      });
    }
  });
});

test('discord.js: destroy() ends the sessions, and a wrong token is refused', async () => {
  await using simulator = await startDiscordSimulator({ guilds: 4 });
  const client = createClient(simulator, 2);
  await login(client, simulator.token);
  assert.equal(simulator.gateway.sessions().length, 2);
  await client.destroy();
  await until('the sessions to end', () => simulator.gateway.sessions().length === 0);
  const stranger = createClient(simulator, 1);
  await assert.rejects(stranger.login(simulator.token.replace(/.$/, '~')), { code: 'TokenInvalid' });
  await stranger.destroy();
});
