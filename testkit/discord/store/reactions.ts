import { DiscordError } from '../rest/errors.ts';
import type { StoredMessage } from './messages.ts';

/** The emoji of a reaction. Unicode emojis have no id. */
export interface ReactionEmoji {
  readonly id: string | null;
  readonly name: string;
  readonly animated?: boolean;
}

interface Reaction {
  readonly emoji: ReactionEmoji;
  /** The users who reacted, in order. */
  readonly users: Set<string>;
}

/** The reactions of a message by {@link emojiKey}, in the order of their first use. */
export type Reactions = Map<string, Reaction>;

const MAX_REACTIONS = 20;
const CUSTOM = /^(?:a:)?(\w{2,32}):(\d{1,20})$/;
const UNICODE = /\p{Extended_Pictographic}|\p{Regional_Indicator}|^[0-9#*]\u{FE0F}?\u{20E3}$/u;

/** Reads an emoji from a path: `🔥`, or `name:id`. @throws DiscordError 10014 */
export function parseEmoji(text: string): ReactionEmoji {
  const [, name, id] = CUSTOM.exec(text) ?? [];
  if (name !== undefined && id !== undefined) return { id, name };
  if (!UNICODE.test(text)) throw new DiscordError(400, 10014);
  return { id: null, name: text };
}

const emojiKey = ({ id, name }: ReactionEmoji): string => id ?? name;

/** @returns whether the reaction is new @throws DiscordError 30010 */
export function addReaction(stored: StoredMessage, emoji: ReactionEmoji, userId: string, botId: string): boolean {
  stored.reactions ??= new Map();
  const key = emojiKey(emoji);
  let reaction = stored.reactions.get(key);
  if (reaction === undefined) {
    if (stored.reactions.size >= MAX_REACTIONS) throw new DiscordError(400, 30010);
    reaction = { emoji, users: new Set() };
    stored.reactions.set(key, reaction);
  }
  if (reaction.users.has(userId)) return false;
  reaction.users.add(userId);
  show(stored, botId);
  return true;
}

/** @returns whether the reaction existed */
export function removeReaction(stored: StoredMessage, emoji: ReactionEmoji, userId: string, botId: string): boolean {
  const reaction = stored.reactions?.get(emojiKey(emoji));
  if (reaction?.users.delete(userId) !== true) return false;
  if (reaction.users.size === 0) stored.reactions?.delete(emojiKey(emoji));
  show(stored, botId);
  return true;
}

/** Removes all reactions, or those of one emoji. @returns whether there were any */
export function clearReactions(stored: StoredMessage, emoji: ReactionEmoji | null, botId: string): boolean {
  const had = emoji === null ? (stored.reactions?.size ?? 0) > 0 : stored.reactions?.delete(emojiKey(emoji)) === true;
  if (emoji === null) stored.reactions?.clear();
  show(stored, botId);
  return had;
}

/** The users who reacted with an emoji, ordered by id. */
export function reactionUsers(stored: StoredMessage, emoji: ReactionEmoji): string[] {
  const users = stored.reactions?.get(emojiKey(emoji))?.users ?? [];
  return [...users].sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1));
}

/** Updates the reactions in the message object, as the bot receives it. */
function show(stored: StoredMessage, botId: string): void {
  const reactions = [...(stored.reactions?.values() ?? [])].map(({ emoji, users }) => ({
    emoji,
    count: users.size,
    count_details: { burst: 0, normal: users.size },
    burst_colors: [],
    me: users.has(botId),
    me_burst: false,
    burst_me: false,
    burst_count: 0,
  }));
  const { reactions: _, ...message } = stored.message;
  stored.message = reactions.length === 0 ? message : { ...message, reactions };
}
