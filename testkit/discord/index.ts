/** A simulated Discord for tests and development: REST v10 and Gateway v10, compatible with the real client libraries. */
export type { Clock } from './clock.ts';
export type { Events, MessageInput } from './events/events.ts';
export type { WebhookDelivery } from './events/webhook-events.ts';
export type { FeedEvent } from './feed.ts';
export type { GatewayControl, SessionFilter, SessionInfo } from './gateway/control.ts';
export type { IdentifyEntry } from './gateway/identify-limits.ts';
export type {
  AutocompleteInput,
  CommandInput,
  ComponentInput,
  InteractionInput,
  ModalInput,
  OptionValues,
} from './interactions/input.ts';
export type { CreatedInteraction, Interactions, RawOptions } from './interactions/interactions.ts';
export type { InteractionResult, InteractionSummary, Outcome, Settlement } from './interactions/result.ts';
export { createKeyPair, type KeyPair, WebhookSigner } from './keys.ts';
export type { Misbehaviour } from './misbehaviour.ts';
export type { SimulatorLog, SimulatorOptions } from './options.ts';
export type { RestCall, RestTraffic } from './rest/traffic.ts';
export { type DiscordSimulator, type SimulatorStats, startDiscordSimulator } from './simulator.ts';
export type { Rule, Violation, Violations } from './violations.ts';
export type { SimulatedGuild } from './world/guild.ts';
export type { GuildDirectory, World } from './world/world.ts';
