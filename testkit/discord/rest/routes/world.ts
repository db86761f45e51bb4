import type { Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';
import { auditLogRoutes } from './audit-log.ts';
import { banRoutes } from './bans.ts';
import { channelRoutes } from './channels.ts';
import { emojiRoutes } from './emojis.ts';
import { guildRoutes } from './guilds.ts';
import { inviteRoutes } from './invites.ts';
import { messageRoutes } from './messages.ts';
import { pinRoutes } from './pins.ts';
import { reactionRoutes } from './reactions.ts';
import { roleRoutes } from './roles.ts';
import { threadRoutes } from './threads.ts';
import { userRoutes } from './users.ts';

/** All routes of guilds, channels, messages and users. */
export function worldRoutes(parts: WorldParts): Route[] {
  return [
    ...userRoutes(parts),
    ...guildRoutes(parts),
    ...roleRoutes(parts),
    ...banRoutes(parts),
    ...auditLogRoutes(parts),
    ...emojiRoutes(parts),
    ...inviteRoutes(parts),
    ...channelRoutes(parts),
    ...threadRoutes(parts),
    ...messageRoutes(parts),
    ...reactionRoutes(parts),
    ...pinRoutes(parts),
  ];
}
