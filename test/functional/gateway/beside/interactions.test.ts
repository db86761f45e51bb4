// Interactions that reach an unmodified discord.js client through an HTTP pod and the pod beside it.
// Of src/gateway/beside/{interactions,callbacks,callback-route}.ts and src/gateway/dispatch/foreign-bot.ts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  ActionRowBuilder,
  AttachmentBuilder,
  ButtonBuilder,
  ButtonStyle,
  type ChatInputCommandInteraction,
  type Client,
  MessageFlags,
  ModalBuilder,
  TextInputBuilder,
  TextInputStyle,
} from 'discord.js';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { type BesidePod, logIn, startBesidePod } from '../../../support/beside-pod.ts';
import { temporaryFolder } from '../../../support/store.ts';
import { until } from '../../../support/wait.ts';

const stack = new AsyncDisposableStack();
let discord: DiscordSimulator;
let pod: BesidePod;
let client: Client;
const failures: unknown[] = [];

type Run = (interaction: ChatInputCommandInteraction) => Promise<unknown>;

const COMMANDS: Readonly<Record<string, Run>> = {
  hello: (interaction) => interaction.reply('Hello!'),
  private: (interaction) => interaction.reply({ content: 'only for you', flags: MessageFlags.Ephemeral }),
  later: async (interaction) => {
    await interaction.deferReply();
    await interaction.editReply('done');
  },
  chatty: async (interaction) => {
    await interaction.reply('one');
    await interaction.followUp('two');
    await interaction.editReply('one, edited');
  },
  file: (interaction) =>
    interaction.reply({ content: 'a file', files: [new AttachmentBuilder(Buffer.from('bytes'), { name: 'a.txt' })] }),
  message: async (interaction) => {
    const { resource } = await interaction.reply({ content: 'sent', withResponse: true });
    await resource?.message?.edit('sent and edited');
  },
  twice: async (interaction) => {
    await interaction.reply('first');
    await assert.rejects(
      interaction.client.rest.post(`/interactions/${interaction.id}/${interaction.token}/callback`, {
        body: { type: 4, data: { content: 'second' } },
        auth: false,
      }),
      { code: 40060 },
    );
  },
  silent: async () => {},
  button: (interaction) =>
    interaction.reply({
      content: 'press',
      components: [
        new ActionRowBuilder<ButtonBuilder>().addComponents(
          new ButtonBuilder().setCustomId('press').setLabel('Press').setStyle(ButtonStyle.Primary),
        ),
      ],
    }),
  form: (interaction) =>
    interaction.showModal(
      new ModalBuilder()
        .setCustomId('form')
        .setTitle('A form')
        .addComponents(
          new ActionRowBuilder<TextInputBuilder>().addComponents(
            new TextInputBuilder().setCustomId('text').setLabel('Text').setStyle(TextInputStyle.Short),
          ),
        ),
    ),
};

before(async () => {
  discord = stack.use(await startDiscordSimulator({ guilds: 4, identifyWindowMs: 0 }));
  const folder = stack.use(temporaryFolder());
  pod = stack.use(await startBesidePod(discord, { databasePath: folder.file('pod') }));
  stack.use(await pod.serveHttp());
  client = stack.use(
    await logIn(pod, discord.token, {}, (created) => {
      created.on('interactionCreate', (interaction) => {
        const run = async (): Promise<unknown> => {
          if (interaction.isChatInputCommand()) return COMMANDS[interaction.commandName]?.(interaction);
          if (interaction.isButton()) return interaction.update({ content: 'pressed', components: [] });
          if (interaction.isModalSubmit()) return interaction.reply(interaction.fields.getTextInputValue('text'));
          if (interaction.isAutocomplete()) return interaction.respond([{ name: 'a choice', value: 'choice' }]);
          return null;
        };
        run().catch((error: unknown) => failures.push(error));
      });
    }),
  );
  await client.application?.commands.set([
    ...Object.keys(COMMANDS).map((name) => ({ name, description: name })),
    { name: 'pick', description: 'pick', options: [{ name: 'it', description: 'it', type: 3, autocomplete: true }] },
  ]);
});
after(() => stack.disposeAsync());

const use = (name: string) => discord.interactions.command({ guildId: discord.guilds.at(0).id, name });

test('a reply becomes the HTTP answer', async () => {
  const { outcome, via, status, message } = await use('hello');
  assert.deepEqual(
    { outcome, via, status, content: message?.content },
    { outcome: 'answered', via: 'http', status: 200, content: 'Hello!' },
  );
  const hidden = await use('private');
  assert.equal(hidden.message?.flags, MessageFlags.Ephemeral);
  assert.deepEqual(failures, []);
});

test('a deferral, follow-ups and edits right after the first response find their webhook', async () => {
  const later = await use('later');
  assert.equal(later.responseType, 5);
  assert.equal((await later.settled()).message?.content, 'done');
  const chatty = await use('chatty');
  await until('the edit', () => discord.messages.get(chatty.message?.id ?? '')?.message.content === 'one, edited');
  assert.deepEqual(failures, []);
});

test('files, and a response whose message the bot wants, go by REST; the HTTP answer is 202', async () => {
  const file = await use('file');
  assert.deepEqual([file.outcome, file.status, file.message?.attachments.length], ['answered', 202, 1]);
  const sent = await use('message');
  assert.deepEqual([sent.outcome, sent.status], ['answered', 202]);
  await until('the edit', () => discord.messages.get(sent.message?.id ?? '')?.message.content === 'sent and edited');
  assert.deepEqual(failures, []);
});

test('a second response is refused as Discord refuses it', async () => {
  const { message } = await use('twice');
  assert.equal(message?.content, 'first');
  assert.deepEqual(failures, []);
});

test('buttons, forms and suggestions are answered', async () => {
  const { message } = await use('button');
  const pressed = await discord.interactions.component({ messageId: message?.id ?? '', customId: 'press' });
  assert.equal(pressed.responseType, 7);
  const form = await use('form');
  assert.equal(form.responseType, 9);
  const submitted = await discord.interactions.modalSubmit({
    ...{ guildId: form.guildId, userId: form.userId, channelId: form.channelId },
    ...{ customId: 'form', fields: { text: 'typed' } },
  });
  assert.equal(submitted.message?.content, 'typed');
  const suggested = await discord.interactions.autocomplete({
    ...{ guildId: discord.guilds.at(0).id, name: 'pick', options: { it: 'a' }, focused: 'it' },
  });
  assert.deepEqual(suggested.response, { type: 8, data: { choices: [{ name: 'a choice', value: 'choice' }] } });
  assert.deepEqual(failures, []);
});

test('an interaction that the bot has taken is not handed over again, and its user is told', async () => {
  const created = discord.interactions.create({ kind: 'command', guildId: discord.guilds.at(0).id, name: 'silent' });
  const interaction = created.payload;
  const taken = pod.interact(interaction);
  await until('the bot has it', () => pod.state().openInteractions === 1);
  await client.destroy();
  const first = await taken;
  assert.match(JSON.stringify(first.json), /could not find out/);
  await using again = await logIn(pod, discord.token, {}, (created) => {
    created.on('raw' as never, (packet: { t: string }) => {
      if (packet.t === 'INTERACTION_CREATE') failures.push('handed over again');
    });
  });
  assert.ok(again.isReady());
  const second = await pod.interact(interaction);
  assert.match(JSON.stringify(second.json), /could not find out/);
  assert.deepEqual(failures, []);
});
