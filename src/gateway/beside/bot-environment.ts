import { delimiter } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { VARIABLES } from '../../config/variables.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const PRELOAD = fileURLToPath(new URL('./preload/node.mjs', import.meta.url));
const PYTHON = fileURLToPath(new URL('./preload/python', import.meta.url));

/** Variables that bots use, too, with the same meaning. */
const SHARED: ReadonlySet<string> = new Set(['DISCORD_TOKEN', 'DISCORD_PUBLIC_KEY', 'DISCORD_APP_ID']);

export interface BotEnvironmentOptions {
  readonly env: Environment;
  /** The settings of the bot; they override the rest. */
  readonly own: Environment;
  readonly ordinal: number;
  readonly pods: number;
  /** The port of the local gateway and REST API. */
  readonly port: number;
}

/**
 * The environment of a bot that runs beside a pod: that of the pod without Guildway's own variables, what redirects the bot's
 * library to the pod, and which pod it is.
 */
export function botEnvironment({ env, own, ordinal, pods, port }: BotEnvironmentOptions): Record<string, string> {
  const guildways: ReadonlySet<string> = new Set(Object.values(VARIABLES).map(({ name }) => name));
  const passed = Object.entries(env).filter(([name]) => !guildways.has(name) || SHARED.has(name));
  const url = `http://127.0.0.1:${port}`;
  const merged: Environment = {
    ...Object.fromEntries(passed),
    GUILDWAY_POD: String(ordinal),
    GUILDWAY_PODS: String(pods),
    GUILDWAY_API_URL: `${url}/api`,
    GUILDWAY_GATEWAY_URL: url.replace('http', 'ws'),
    ...own,
  };
  return {
    ...Object.fromEntries(Object.entries(merged).filter((entry): entry is [string, string] => entry[1] !== undefined)),
    NODE_OPTIONS: joined([merged.NODE_OPTIONS, `--import=${pathToFileURL(PRELOAD).href}`], ' '),
    PYTHONPATH: joined([PYTHON, merged.PYTHONPATH], delimiter),
  };
}

const joined = (parts: readonly (string | undefined)[], separator: string): string =>
  parts.filter((part) => part !== undefined && part !== '').join(separator);
