import type { InteractionRecords } from '../../interactions/records.ts';
import type { Responder } from '../../interactions/responder.ts';
import type { Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';
import { type ApplicationParts, applicationRoutes } from './applications.ts';
import { auditLogRoutes } from './audit-log.ts';
import { banRoutes } from './bans.ts';
import { channelRoutes } from './channels.ts';
import { emojiRoutes } from './emojis.ts';
import { type GatewayRouteParts, gatewayRoutes } from './gateway.ts';
import { guildRoutes } from './guilds.ts';
import { interactionRoutes } from './interactions.ts';
import { inviteRoutes } from './invites.ts';
import { memberRoutes } from './members.ts';
import { messageRoutes } from './messages.ts';
import { type OAuth2Parts, oauth2Routes } from './oauth2.ts';
import { pinRoutes } from './pins.ts';
import { reactionRoutes } from './reactions.ts';
import { roleRoutes } from './roles.ts';
import { stickerRoutes } from './stickers.ts';
import { threadRoutes } from './threads.ts';
import { userRoutes } from './users.ts';
import { voiceRoutes } from './voice.ts';
import { webhookRoutes } from './webhooks.ts';

interface AllParts extends WorldParts, ApplicationParts, OAuth2Parts {
  readonly gateway: GatewayRouteParts;
  readonly records: InteractionRecords;
  readonly responder: Responder;
}

/** The table of routes. */
export function allRoutes(parts: AllParts): Route[] {
  return [
    ...gatewayRoutes(parts.gateway),
    ...applicationRoutes(parts),
    ...oauth2Routes(parts),
    ...userRoutes(parts),
    ...guildRoutes(parts),
    ...memberRoutes(parts),
    ...roleRoutes(parts),
    ...banRoutes(parts),
    ...auditLogRoutes(parts),
    ...emojiRoutes(parts, parts.applicationId),
    ...stickerRoutes(parts),
    ...inviteRoutes(parts),
    ...channelRoutes(parts),
    ...threadRoutes(parts),
    ...messageRoutes(parts),
    ...reactionRoutes(parts),
    ...pinRoutes(parts),
    ...voiceRoutes(parts),
    ...webhookRoutes(parts, parts.applicationId, interactionRoutes(parts)),
  ];
}
