import { asWallTime, type WallTime } from '../time.ts';

/** 2015-01-01: the moment from which Discord's snowflakes count milliseconds. Source: Discord's reference, "Snowflakes". */
const DISCORD_EPOCH_MS = 1_420_070_400_000;

/** When a snowflake was made. @param id a valid snowflake */
export const createdAt = (id: string): WallTime => asWallTime(Number(BigInt(id) >> 22n) + DISCORD_EPOCH_MS);

/** Interaction types of Discord's API. */
export const INTERACTION = Object.freeze({ ping: 1, command: 2, component: 3, autocomplete: 4, modal: 5 });

/** The message flag that shows a message to one user only. */
export const EPHEMERAL = 1 << 6;

/**
 * Whether an interaction's data names its handler: `name` for a command, `custom_id` for a component or a modal. An interaction
 * without the name can never be handled. Unknown types pass.
 */
export function hasHandlerName(type: number, data: unknown): boolean {
  const { name, custom_id: customId } = (data ?? {}) as { readonly name?: unknown; readonly custom_id?: unknown };
  switch (type) {
    case INTERACTION.command:
    case INTERACTION.autocomplete:
      return typeof name === 'string';
    case INTERACTION.component:
    case INTERACTION.modal:
      return typeof customId === 'string';
    default:
      return true;
  }
}
