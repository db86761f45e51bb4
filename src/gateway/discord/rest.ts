import type { CreateDiscordRest } from '../discord-seam.ts';
import { PodRest } from './pod-rest.ts';

/** Discord's limit for a bot token, over all processes. Interaction responses do not count. */
const GLOBAL_PER_SECOND = 50;

/**
 * A pod's share of the 50 requests per second: equal parts, the remainder to pod 0, and at least one. With more than 50 pods,
 * the shares exceed Discord's limit. A pod that gets a 429 waits and retries; a pod without a share could never send anything.
 */
export function restShare(ordinal: number, pods: number): number {
  const share = Math.max(1, Math.floor(GLOBAL_PER_SECOND / pods));
  return ordinal === 0 ? Math.max(share, GLOBAL_PER_SECOND - share * (pods - 1)) : share;
}

export const createDiscordRest: CreateDiscordRest = ({ config, pods, log }) => {
  if (pods > GLOBAL_PER_SECOND && config.ordinal === 0) {
    log.warn(
      { pods, perSecond: GLOBAL_PER_SECOND },
      'there are more pods than requests a second that Discord allows: each pod takes one, and Discord rejects requests beyond its limit',
    );
  }
  const rest = new PodRest(
    {
      api: config.discordApiUrl,
      version: '10',
      globalRequestsPerSecond: restShare(config.ordinal, pods),
      userAgentAppendix: 'Guildway',
      // 10,000 responses of 401, 403 or 429 in ten minutes block this address. Warn long before.
      invalidRequestWarningInterval: 500,
    },
    log,
  );
  rest.on('invalidRequestWarning', ({ count, remainingTime }) => {
    log.warn(
      { count, remainingMs: remainingTime },
      'Discord refuses many of our requests; at 10,000 it blocks this address',
    );
  });
  if (config.discordToken !== null) rest.setToken(config.discordToken);
  return rest;
};
