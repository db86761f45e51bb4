import { GuildwayError } from '../../../errors.ts';

/** What arrived is not what was sent. */
export const damaged = (what: string, cause?: unknown): GuildwayError =>
  new GuildwayError('MOVE_DAMAGED', `the copy of the guilds has ${what}: it must be sent again`, { cause });

/** The guilds stay where they are until somebody changes something. */
export const refused = (why: string, cause?: unknown): GuildwayError =>
  new GuildwayError('MOVE_REFUSED', `guilds cannot move: ${why}`, { cause });
