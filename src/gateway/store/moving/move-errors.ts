import { GuildwayError } from '../../../errors.ts';

/** The received copy is not what was sent. */
export const damaged = (problem: string, cause?: unknown): GuildwayError =>
  new GuildwayError('MOVE_DAMAGED', `the copy of the guilds is damaged (${problem}): send it again`, { cause });

/** The guilds stay with their owner until an operator removes the obstacle. */
export const refused = (obstacle: string, cause?: unknown): GuildwayError =>
  new GuildwayError('MOVE_REFUSED', `guilds cannot move: ${obstacle}`, { cause });
