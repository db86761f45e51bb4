import type { APIInteraction } from 'discord-api-types/v10';

export const GUILD = '102860784329052160';
export const APPLICATION = '290926798999357250';

let last = 0n;

/** The id of something that is made now, as Discord gives them out: no two are alike, and each is larger than the last. */
function newId(): bigint {
  const now = BigInt(Date.now() - 1_420_070_400_000) << 22n;
  last = now > last ? now : last + 1n;
  return last;
}

/** An interaction as far as a gateway pod looks at it. Each has an id of its own. */
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
