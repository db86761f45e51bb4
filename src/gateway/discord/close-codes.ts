import { DiscordAPIError } from '@discordjs/rest';

const BAD_TOKEN = 'the token is not valid; check DISCORD_TOKEN';

/**
 * What a close code of Discord's gateway means when connecting again cannot help, and which variable to look at; null for every
 * other code. Source: Discord's documentation, "Gateway Close Event Codes".
 */
export function fatalClose(code: number): string | null {
  switch (code) {
    case 4004:
      return `${BAD_TOKEN} (4004)`;
    case 4010:
      return 'the shard is not valid; check DISCORD_SHARDS and NUM_GATEWAY_PODS (4010)';
    case 4011:
      return 'the bot is in too many guilds for so few shards; raise DISCORD_SHARDS (4011)';
    case 4012:
      return 'Discord no longer speaks this version of the gateway; update Guildway (4012)';
    case 4013:
      return "the bot's intents are not valid; check its `intents` (4013)";
    case 4014:
      return "the bot asks for intents that it was not given; check its `intents`, or switch them on in Discord's developer portal (4014)";
    default:
      return null;
  }
}

/** The same for an answer of Discord's REST API: with a token that is refused, asking again only gets the address blocked. */
export function fatalAnswer(error: unknown): string | null {
  return error instanceof DiscordAPIError && error.status === 401 ? `${BAD_TOKEN} (401)` : null;
}
