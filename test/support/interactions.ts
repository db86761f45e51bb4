import type { APIInteraction } from 'discord-api-types/v10';

export const GUILD = '102860784329052160';
export const APPLICATION = '290926798999357250';

let last = 0n;

/** A new id in Discord's form. Ids are unique and increase strictly. */
function newId(): bigint {
  const now = BigInt(Date.now() - 1_420_070_400_000) << 22n;
  last = now > last ? now : last + 1n;
  return last;
}

/** An interaction with the fields that a gateway pod reads. Each has a unique id. */
function interaction(type: number, data: object, more: object = {}): APIInteraction {
  const id = newId();
  return {
    id: String(id),
    application_id: APPLICATION,
    type,
    token: `token-${id}`,
    version: 1,
    guild_id: GUILD,
    data,
    ...more,
  } as unknown as APIInteraction;
}

export const command = (name: string, more: object = {}): APIInteraction => interaction(2, { name, type: 1 }, more);
export const autocomplete = (name: string): APIInteraction => interaction(4, { name, type: 1 });
export const modalSubmit = (customId: string, more: object = {}): APIInteraction =>
  interaction(5, { custom_id: customId }, more);

/** A press on a button of the message `message-1`. */
export const component = (customId: string): APIInteraction =>
  interaction(3, { custom_id: customId, component_type: 2 }, { message: { id: 'message-1' } });
