import { commandRule, customIdKey, entryOf } from '../../bot/manifest.ts';
import type { BotManifest, DeferralRule } from '../../bot/types.ts';
import { EPHEMERAL, INTERACTION } from '../../protocol/discord.ts';

/** The parts of an interaction that the HTTP pod looks at. Everything else is the owner's business. */
export interface Interaction {
  readonly id: string;
  readonly type: number;
  /** Null: none. */
  readonly guild_id: string | null;
  /** Not checked: signed, but not of our making. */
  readonly data?: { readonly name?: unknown; readonly type?: unknown; readonly custom_id?: unknown } | null;
}

/** How this interaction may be answered for while its owner is away; null: it cannot be deferred at all. */
export function deferralOf({ type, data }: Interaction, manifest: BotManifest): DeferralRule | null {
  // Both come from elsewhere: a manifest from a pod of another version, an interaction from whatever Discord sends one day.
  const asDeclared = (rule: Partial<DeferralRule> | undefined, usualType: 5 | 6): DeferralRule | null => {
    // A deferral fixes whether others see the answer. For an unknown command the private one is safe.
    const { deferrable = true, ephemeral = rule === undefined, type = usualType } = rule ?? {};
    if (!deferrable) return null;
    return { deferrable, ephemeral: ephemeral === true, type: type === 6 ? 6 : 5 };
  };
  const customId = typeof data?.custom_id === 'string' ? customIdKey(data.custom_id) : '';
  switch (type) {
    case INTERACTION.command: {
      const name = typeof data?.name === 'string' ? data.name : '';
      const commandType = typeof data?.type === 'number' ? data.type : undefined;
      return asDeclared(commandRule(manifest, name, commandType), 5);
    }
    case INTERACTION.component:
      return asDeclared(entryOf(manifest.components, customId), 6);
    case INTERACTION.modal:
      return asDeclared(entryOf(manifest.modals, customId), 5);
    default:
      return null;
  }
}

/** The deferred response: the user sees that the bot is thinking, or (type 6) nothing. */
export function deferred({ type, ephemeral }: DeferralRule): unknown {
  return type === 5 && ephemeral ? { type, data: { flags: EPHEMERAL } } : { type };
}

/** Suggestions cannot be deferred; none is an honest answer. */
export const NO_CHOICES = Object.freeze({ type: 8, data: { choices: [] } });

const whisper = (content: string): unknown => ({ type: 4, data: { content, flags: EPHEMERAL } });

/** Nothing was executed, and nothing will be. */
export const refused = (requestId: string): unknown =>
  whisper(
    `This server's part of the bot is not available right now. Nothing was done; please try again in a moment. (${requestId})`,
  );

/** It may have been executed; the outcome is unknown. */
export const unknown = (requestId: string): unknown =>
  whisper(
    `The bot did not answer in time. It may have done what you asked for: please look before you try again. (${requestId})`,
  );
