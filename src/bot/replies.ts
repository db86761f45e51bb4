import {
  type APIInteractionResponseCallbackData,
  type APIInteractionResponseChannelMessageWithSource,
  type APIInteractionResponseUpdateMessage,
  type APIModalInteractionResponse,
  type APIModalInteractionResponseCallbackData,
  InteractionResponseType,
  MessageFlags,
} from 'discord-api-types/v10';

/** A value of Discord's API, or builders of it at any depth, such as those of discord.js: their `toJSON` makes the value. */
export type Buildable<Value> = Value extends object
  ? { toJSON(): Value } | { readonly [Key in keyof Value]: Buildable<Value[Key]> }
  : Value;

type Message = string | Buildable<APIInteractionResponseCallbackData>;

/** The outermost builder's value. Those inside are read when the response is written as JSON. */
const built = <Value extends object>(value: Buildable<Value>): Value =>
  'toJSON' in value && typeof value.toJSON === 'function' ? (value.toJSON() as Value) : (value as Value);

const data = (message: Message): APIInteractionResponseCallbackData =>
  typeof message === 'string' ? { content: message } : built<APIInteractionResponseCallbackData>(message);

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
export function modal(form: Buildable<APIModalInteractionResponseCallbackData>): APIModalInteractionResponse {
  return { type: InteractionResponseType.Modal, data: built<APIModalInteractionResponseCallbackData>(form) };
}
