import {
  type APIInteractionResponseCallbackData,
  type APIInteractionResponseChannelMessageWithSource,
  type APIInteractionResponseUpdateMessage,
  type APIModalInteractionResponse,
  type APIModalInteractionResponseCallbackData,
  InteractionResponseType,
  MessageFlags,
} from 'discord-api-types/v10';

type Message = string | APIInteractionResponseCallbackData;

const data = (message: Message): APIInteractionResponseCallbackData =>
  typeof message === 'string' ? { content: message } : message;

/** Answers with a message that all members of the channel see. */
export function reply(message: Message): APIInteractionResponseChannelMessageWithSource {
  return { type: InteractionResponseType.ChannelMessageWithSource, data: data(message) };
}

/** Answers with a message that only the user sees. */
export function whisper(message: Message): APIInteractionResponseChannelMessageWithSource {
  const body = data(message);
  return reply({ ...body, flags: (body.flags ?? 0) | MessageFlags.Ephemeral });
}

/** Changes the message that the pressed component is part of. */
export function update(message: Message): APIInteractionResponseUpdateMessage {
  return { type: InteractionResponseType.UpdateMessage, data: data(message) };
}

/** Opens a modal. A command that does so must be `deferrable: false`: Discord opens none after a deferred response. */
export function modal(form: APIModalInteractionResponseCallbackData): APIModalInteractionResponse {
  return { type: InteractionResponseType.Modal, data: form };
}
