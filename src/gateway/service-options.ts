import type { Bot } from '../bot/define-bot.ts';
import type { GatewayConfig } from '../config/load.ts';
import type { Logger } from '../observability/log.ts';
import type { Registry } from '../observability/metrics.ts';
import type { Topology } from '../routing/topology.ts';
import type { BesideSettings } from './beside/index.ts';

export interface GatewayServiceOptions {
  readonly config: GatewayConfig;
  readonly bot: Bot;
  readonly topology: Topology;
  /** The bot is a process of its own. Default null: `bot` has its handlers. */
  readonly beside?: BesideSettings | null;
  readonly log: Logger;
  readonly registry: Registry;
}
