import { commandRule, customIdKey, entryOf } from '../../bot/manifest.ts';
import type { BotManifest, DeferralRule } from '../../bot/types.ts';
import { EPHEMERAL, INTERACTION } from '../../protocol/discord.ts';

/** The fields of an interaction that the HTTP pod reads. Only the owner reads the others. */
export interface Interaction {
  readonly id: string;
  readonly type: number;
  /** Null: none. */
  readonly guild_id: string | null;
  /** Not validated: the interaction is signed, but its shape may change. */
  readonly data?: { readonly name?: unknown; readonly type?: unknown; readonly custom_id?: unknown } | null;
}

/** The deferred response to this interaction while its owner is away; null if it cannot be deferred. */
export function deferralOf({ type, data }: Interaction, manifest: BotManifest): DeferralRule | null {
  // Neither is validated: the manifest may come from a pod of another version, and Discord may change its interactions.
  const asDeclared = (rule: Partial<DeferralRule> | undefined, usualType: 5 | 6): DeferralRule | null => {
    // A deferral fixes the visibility of the response. For an unknown command, private is the safe choice.
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

/** The deferred response. The user sees that the bot is thinking, or nothing (type 6). */
export function deferred({ type, ephemeral }: DeferralRule): unknown {
  return type === 5 && ephemeral ? { type, data: { flags: EPHEMERAL } } : { type };
}

/** Suggestions cannot be deferred, so the user gets none. */
export const NO_CHOICES = Object.freeze({ type: 8, data: { choices: [] } });

const whisper = (content: string): unknown => ({ type: 4, data: { content, flags: EPHEMERAL } });

/** The interaction was not executed and will not be. */
export const refused = (requestId: string): unknown =>
  whisper(
    `This server's part of the bot is not available right now. Nothing was done; please try again in a moment. (${requestId})`,
  );

/** The outcome is unknown: the interaction may have been executed. */
export const unknown = (requestId: string): unknown =>
  whisper(
    `The bot did not answer in time. It may have done what you asked for: please look before you try again. (${requestId})`,
  );
