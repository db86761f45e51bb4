import type { Bot } from '../bot/define-bot.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../observability/log.ts';
import type { Registry } from '../observability/metrics.ts';
import type { Topology } from '../routing/topology.ts';

export interface GatewayServiceOptions {
  readonly config: Config;
  readonly bot: Bot;
  readonly topology: Topology;
  readonly log: Logger;
  readonly registry: Registry;
}
