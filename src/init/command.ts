import { basename, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { errorCode, GuildwayError } from '../errors.ts';
import { configureExisting } from './existing.ts';
import { createProject, DEPLOYMENTS, LANGUAGES } from './project.ts';

const HELP = `Makes a new bot: a command, an event, a page, a job, a test, and what it needs to be deployed.

  npm create guildway my-bot
  guildway init my-bot --language javascript --deploy compose
  guildway init --existing            for the bot in this folder: writes guildway.config.json

Options:
  --language <name>   typescript or javascript
  --deploy <where>    compose (one machine), kubernetes, or both
  --guildway <spec>   the package guildway as npm takes it; default: this version
  --existing          configure the bot that is in the folder, and change nothing of it
  --json              print what was made as JSON, and ask nothing
  --help              show this text

Asks for what is not given when it runs in a terminal; otherwise TypeScript and both.
`;

interface Answers {
  readonly folder: string;
  readonly language: (typeof LANGUAGES)[number];
  readonly deployment: (typeof DEPLOYMENTS)[number];
}

/**
 * `guildway init` and `npm create guildway`. Runs on Node 20.
 * @param args of the command line
 * @returns the exit code: 0, 1 it failed, 2 the command line is wrong
 */
export async function runInit(args: readonly string[]): Promise<0 | 1 | 2> {
  let given: ReturnType<typeof readArguments>;
  try {
    given = readArguments(args);
  } catch (error) {
    process.stderr.write(`guildway: ${(error as Error).message}\nSee: guildway init --help\n`);
    return 2;
  }
  try {
    if (given.help) process.stdout.write(HELP);
    else if (given.existing) sayConfigured(given.folder ?? '.', given.json);
    else await create(given);
    return 0;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    process.stderr.write(`guildway: ${(error as Error).message}\n`);
    return 1;
  }
}

function readArguments(args: readonly string[]) {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      language: { type: 'string' },
      deploy: { type: 'string' },
      guildway: { type: 'string' },
      existing: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (positionals.length > 1) throw new Error(`${positionals[1]}: one folder is enough`);
  return {
    ...{ help: values.help, existing: values.existing, json: values.json, guildway: values.guildway },
    folder: positionals[0],
    language: values.language === undefined ? undefined : oneOf('--language', values.language, LANGUAGES),
    deployment: values.deploy === undefined ? undefined : oneOf('--deploy', values.deploy, DEPLOYMENTS),
  };
}

function oneOf<const Name extends string>(option: string, value: string, allowed: readonly Name[]): Name {
  const found = allowed.find((name) => name === value);
  if (found === undefined) throw new Error(`${option} ${value}: it must be ${allowed.join(' or ')}`);
  return found;
}

async function create(given: ReturnType<typeof readArguments>): Promise<void> {
  const { guildway, json } = given;
  const { folder, language, deployment } = await complete(given, process.stdin.isTTY === true && !json);
  const files = createProject({ folder, language, deployment, ...(guildway === undefined ? {} : { guildway }) });
  if (json) {
    process.stdout.write(`${JSON.stringify({ folder: resolve(folder), language, deployment, files }, null, 2)}\n`);
    return;
  }
  const path = relative(process.cwd(), resolve(folder));
  process.stdout.write(`
  ${basename(resolve(folder))} is ready: ${files.length} files.

${path === '' ? '' : `    cd ${path}\n`}    npm install
    npm test             runs its tests against a Discord simulator
    npm run dev          runs it on three pods; open http://localhost:8090 and type /hello

`);
}

/** Asks for what is missing. */
async function complete(
  { folder, language, deployment }: { [Name in keyof Answers]: Answers[Name] | undefined },
  interactive: boolean,
): Promise<Answers> {
  if (!interactive) {
    if (folder === undefined) {
      throw new GuildwayError('CONFIG_INVALID', 'no folder: name it, such as guildway init my-bot');
    }
    return { folder, language: language ?? 'typescript', deployment: deployment ?? 'both' };
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const choose = async <Name extends string>(question: string, names: readonly Name[], fallback: Name) => {
    for (;;) {
      const answer = (await terminal.question(`  ${question} (${names.join(', ')}) [${fallback}] `)).trim();
      const found = answer === '' ? fallback : names.find((name) => name.startsWith(answer.toLowerCase()));
      if (found !== undefined) return found;
    }
  };
  try {
    const named = folder ?? (await terminal.question('  Name of the bot [my-bot] ')).trim();
    return {
      folder: named === '' ? 'my-bot' : named,
      language: language ?? (await choose('Language', LANGUAGES, 'typescript')),
      deployment: deployment ?? (await choose('Where will it run', DEPLOYMENTS, 'both')),
    };
  } finally {
    terminal.close();
  }
}

function sayConfigured(folder: string, json: boolean): void {
  const command = configureExisting(folder);
  if (json) {
    process.stdout.write(`${JSON.stringify({ folder: resolve(folder), command, files: ['guildway.config.json'] })}\n`);
    return;
  }
  process.stdout.write(`
  guildway.config.json is ready: the bot starts with ${command.join(' ')}.

    npm install guildway
    npx guildway dev -- ${command.join(' ')}

  Before it runs on more than one pod, declare the tables of its SQLite files there: docs/existing-bots.md.
`);
}
