import type { MessageBody } from './message-builder.ts';

/** The mentions in a message's text, as Discord parses it, within the limits of `allowed_mentions`. */
export interface Mentions {
  readonly userIds: readonly string[];
  readonly roleIds: readonly string[];
  readonly everyone: boolean;
}

const USER = /<@!?(\d{1,20})>/g;
const ROLE = /<@&(\d{1,20})>/g;
const EVERYONE = /@(?:everyone|here)\b/;

/** @param repliedTo the author of the message that this one replies to */
export function mentionsOf(
  content: string,
  allowed: MessageBody['allowed_mentions'],
  repliedTo: string | null,
): Mentions {
  const found = (pattern: RegExp): string[] => [...content.matchAll(pattern)].map(([, id]) => id as string);
  const may = (kind: 'users' | 'roles', id: string): boolean =>
    allowed === undefined ||
    allowed === null ||
    allowed.parse?.includes(kind) === true ||
    allowed[kind]?.includes(id) === true;
  const pings = repliedTo !== null && (allowed?.replied_user ?? allowed === undefined) === true;
  const users = found(USER).filter((id) => may('users', id));
  return {
    userIds: [...new Set(pings ? [repliedTo, ...users] : users)],
    roleIds: [...new Set(found(ROLE).filter((id) => may('roles', id)))],
    everyone:
      EVERYONE.test(content) &&
      (allowed === undefined || allowed === null || allowed.parse?.includes('everyone') === true),
  };
}
