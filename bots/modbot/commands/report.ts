import {
  ApplicationCommandType,
  ComponentType,
  InteractionContextType,
  Routes,
  TextInputStyle,
} from 'discord-api-types/v10';
import { type Command, type ModalHandler, modal, whisper } from 'guildway';
import { actorOf, fieldOf, guildOf, timeOf } from '../interaction.ts';
import { addCase } from '../store/cases.ts';
import { readSettings } from '../store/guilds.ts';

/** The entry in a message's menu. Asks for a reason, then tells the moderators. */
export const report: Command = {
  type: ApplicationCommandType.Message,
  name: 'Report',
  contexts: [InteractionContextType.Guild],
  // A modal must be the first response. Discord does not open one after a deferred response.
  deferrable: false,

  run(interaction) {
    const message = interaction.data.resolved.messages[interaction.data.target_id];
    if (message === undefined) throw new Error('a message command comes with its message');
    return modal({
      custom_id: `report:${message.channel_id}:${message.id}:${message.author.id}`,
      title: 'Report this message',
      components: [
        {
          type: ComponentType.Label,
          label: 'What is wrong with it?',
          description: 'Moderators see this, your name and a link to the message.',
          component: {
            type: ComponentType.TextInput,
            custom_id: 'reason',
            style: TextInputStyle.Paragraph,
            min_length: 3,
            max_length: 400,
          },
        },
      ],
    });
  },
};

const CUSTOM_ID = /^report:(\d{1,20}):(\d{1,20}):(\d{1,20})$/;

/** The submitted reason. The custom id names the reported message: `report:<channel>:<message>:<author>`. */
export const reportModal: ModalHandler = {
  ephemeral: true,

  async run(interaction, context) {
    const [, channelId, messageId, userId] = CUSTOM_ID.exec(interaction.data.custom_id) ?? [];
    if (channelId === undefined || messageId === undefined || userId === undefined) {
      return whisper('This form is no longer valid. Please report the message again.');
    }
    const guildId = guildOf(context);
    const moderatorId = actorOf(interaction);
    const reason = fieldOf(interaction, 'reason');
    const { number, reportChannelId } = context.transaction((db) => ({
      number: addCase(db, {
        guildId,
        kind: 'report',
        userId,
        moderatorId,
        reason,
        message: { channelId, id: messageId },
        createdAt: timeOf(interaction),
      }),
      reportChannelId: readSettings(db, guildId).reportChannelId,
    }));
    const thanks = whisper(`Thank you. The moderators will look at it.\n-# Case ${number}`);
    if (reportChannelId === null) return thanks;

    const link = `https://discord.com/channels/${guildId}/${channelId}/${messageId}`;
    try {
      await context.rest.post(Routes.channelMessages(reportChannelId), {
        body: {
          content: `🚩 <@${moderatorId}> reported [a message](${link}) of <@${userId}>: ${reason}\n-# Case ${number}`,
          allowed_mentions: { parse: [] },
          // A crash can repeat this request. Discord drops a message with a recent nonce.
          nonce: interaction.id,
          enforce_nonce: true,
        },
      });
    } catch (error) {
      // The report is in the guild's log. Only the post is missing.
      context.log.warn({ err: error, reportChannelId }, 'cannot post to the report channel');
    }
    return thanks;
  },
};
