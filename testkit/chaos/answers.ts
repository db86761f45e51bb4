import { MESSAGE } from '../../src/gateway/dispatch/messages.ts';
import { refused } from '../../src/http/endpoints/deferral.ts';
import type { Fate } from './history.ts';

export interface Reading {
  readonly fate: Fate;
  /** What was said, where it is not success. */
  readonly note: string | null;
}

/** What an HTTP pod says when nothing was done, up to the request's id. */
const REFUSED = (refused('') as { data: { content: string } }).data.content.replace(/\(\)$/, '');

/** What the final first response to an interaction says. @param id the operation's number */
export function readAnswer(content: string, id: string): Reading {
  if (content === `done ${id}`) return { fate: 'acknowledged', note: null };
  if (content.startsWith(REFUSED)) return { fate: 'refused', note: null };
  // A handler that failed may have done a part of its work.
  return { fate: 'unknown', note: content };
}

/** What a deferred response was completed with. @param id the operation's number */
export function readFinalAnswer(content: string, id: string): Reading {
  if (content === `done ${id}`) return { fate: 'completed', note: null };
  if (content === MESSAGE.expired) return { fate: 'not-done', note: null };
  return { fate: 'unknown', note: content };
}
