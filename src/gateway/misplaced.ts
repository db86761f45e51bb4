import type { GuildwayError } from '../errors.ts';
import { HEADER, INTERNAL_PATHS } from '../link/message.ts';
import type { Incoming } from './incoming.ts';
import type { Reply } from './reply.ts';
import { json, problem } from './responses.ts';

/**
 * What a pod answers whose rows were placed under another topology: what is wrong, to everybody, and nothing else. It neither
 * reads nor writes a guild's rows.
 */
export function misplacedRoute(
  ordinal: number,
  misplacement: GuildwayError,
  state: () => unknown,
): (incoming: Incoming) => Promise<Reply> {
  return async ({ target }) => {
    if (target === `${INTERNAL_PATHS}state`) return json(200, state(), [HEADER.pod, String(ordinal)]);
    return problem(503, misplacement.message, [HEADER.pod, String(ordinal)]);
  };
}
