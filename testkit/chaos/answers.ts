import { MESSAGE } from '../../src/gateway/dispatch/messages.ts';
import { refused } from '../../src/http/endpoints/deferral.ts';
import type { Fate } from './history.ts';

export interface Reading {
  readonly fate: Fate;
  /** The text of a response that does not report success. */
  readonly note: string | null;
}

/** The text of an HTTP pod that refused a request, up to the request's id. */
const REFUSED = (refused('') as { data: { content: string } }).data.content.replace(/\(\)$/, '');

/** Reads a first response that is not deferred. @param id the operation's number */
export function readAnswer(content: string, id: string): Reading {
  if (content === `done ${id}`) return { fate: 'acknowledged', note: null };
  if (content.startsWith(REFUSED)) return { fate: 'refused', note: null };
  // A failed handler may have done part of its work.
  return { fate: 'unknown', note: content };
}

/** Reads the message that completed a deferred response. @param id the operation's number */
export function readFinalAnswer(content: string, id: string): Reading {
  if (content === `done ${id}`) return { fate: 'completed', note: null };
  if (content === MESSAGE.expired) return { fate: 'not-done', note: null };
  return { fate: 'unknown', note: content };
}
