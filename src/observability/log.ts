import { type Logger, pino } from 'pino';
import type { Config } from '../config/load.ts';

export type { Logger } from 'pino';

/** A safety net for the rule that secrets are never logged. It does not replace the rule. */
export const REDACTED: readonly string[] = Object.freeze([
  ...['token', '*.token', 'secret', '*.secret', 'authorization', '*.authorization'],
]);

/**
 * The log of one process: JSON lines on standard output, or coloured text when that is a terminal.
 *
 * Facts are logged under fixed names: `guild`, `pod`, `interaction`, `request`. Never log a secret, a token, a request's
 * body or a message's content.
 */
export function createLogger(config: Pick<Config, 'logLevel' | 'name' | 'serviceMode'>): Logger {
  const options = {
    level: config.logLevel,
    base: { service: config.serviceMode, name: config.name },
    redact: [...REDACTED],
  };
  if (!process.stdout.isTTY) return pino(options);
  return pino({ ...options, transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname,service' } } });
}
