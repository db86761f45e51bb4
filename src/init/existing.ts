import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GuildwayError } from '../errors.ts';

const CONFIG = 'guildway.config.json';

/**
 * Writes the configuration of a bot that exists, with the command of its `npm start` or its main file. Runs on Node 20.
 * @returns the command
 * @throws GuildwayError CONFIG_INVALID when there is a configuration, or nothing says how the bot starts
 */
export function configureExisting(folder: string): readonly string[] {
  const present = ['ts', 'mts', 'mjs', 'js', 'json']
    .map((extension) => `guildway.config.${extension}`)
    .find((file) => existsSync(join(folder, file)));
  if (present !== undefined) {
    throw new GuildwayError('CONFIG_INVALID', `${folder} has ${present} already: change it, or delete it first`);
  }
  const command = commandOf(folder);
  if (command === null) {
    throw new GuildwayError(
      'CONFIG_INVALID',
      `${folder} does not say how its bot starts: add a start script such as "node index.js" to its package.json, or write ${CONFIG} with { "command": ["python", "bot.py"] }`,
    );
  }
  writeFileSync(join(folder, CONFIG), `${JSON.stringify({ command }, null, 2)}\n`);
  return command;
}

function commandOf(folder: string): readonly string[] | null {
  const manifest = join(folder, 'package.json');
  if (existsSync(manifest)) {
    const { scripts, main } = JSON.parse(readFileSync(manifest, 'utf8')) as {
      scripts?: Record<string, string>;
      main?: string;
    };
    // A shell would be needed for more than words.
    if (scripts?.start !== undefined && /^[\w./\\ =-]+$/.test(scripts.start)) return scripts.start.trim().split(/ +/);
    if (scripts?.start !== undefined) return ['npm', 'start'];
    if (main !== undefined) return ['node', main];
  }
  const file = ['index.js', 'bot.js', 'main.js', 'src/index.js'].find((name) => existsSync(join(folder, name)));
  if (file !== undefined) return ['node', file];
  const python = ['bot.py', 'main.py'].find((name) => existsSync(join(folder, name)));
  return python === undefined ? null : ['python3', python];
}
