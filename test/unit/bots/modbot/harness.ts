import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { REST } from '@discordjs/rest';
import type { APIInteractionResponse, APIInteractionResponseCallbackData } from 'discord-api-types/v10';
import type { BotContext, Database, SqlValue } from 'guildway';
import { pino } from 'pino';
import modbot from '../../../../bots/modbot/index.ts';

/** A request that the bot made to Discord. */
export interface RestCall {
  readonly method: string;
  readonly path: string;
  readonly body: Record<string, unknown>;
}

/** The moderation bot with a real database, and a Discord that records its requests. */
export interface Harness extends AsyncDisposable {
  readonly db: Database;
  readonly restCalls: RestCall[];
  /** Discord's responses to the next calls. Default: 200 with an empty object. */
  restStatus: number;
  /** A context; a repeated identity is a repeated delivery. */
  context(options?: { guildId?: string | null; identity?: string; pod?: number }): BotContext;
}

export const GUILD = '613425648685547541';
export const MODERATOR = '82198898841029460';
export const MEMBER = '53908232506183680';
export const CHANNEL = '290926798999357250';

export async function createHarness(): Promise<Harness> {
  const sqlite = new DatabaseSync(':memory:');
  for (const migration of modbot.migrations ?? []) sqlite.exec(migration);
  const db = wrap(sqlite);
  const recorded = new Map<string, string>();
  const restCalls: RestCall[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    const body = await text(request);
    restCalls.push({
      method: request.method ?? '',
      path: request.url ?? '',
      body: body === '' ? {} : (JSON.parse(body) as Record<string, unknown>),
    });
    response.writeHead(harness.restStatus, { 'content-type': 'application/json' });
    response.end(harness.restStatus < 400 ? '{}' : '{"code":50013,"message":"Missing Permissions"}');
  });
  await listen(server);
  const rest = new REST({ api: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, version: '10' });
  rest.setToken('token');

  const harness: Harness = {
    db,
    restCalls,
    restStatus: 200,
    context({ guildId = GUILD, identity = `request:${Math.random()}`, pod = 1 } = {}) {
      let step = 0;
      return {
        guildId,
        pod,
        requestId: 'r-1',
        db,
        transaction<Result>(work: (db: Database) => Result): Result {
          const key = `${identity}/${step++}`;
          const earlier = recorded.get(key);
          if (earlier !== undefined) return JSON.parse(earlier).result as Result;
          sqlite.exec('BEGIN IMMEDIATE');
          try {
            const record = JSON.stringify({ result: work(db) });
            sqlite.exec('COMMIT');
            recorded.set(key, record);
            return JSON.parse(record).result as Result;
          } catch (error) {
            sqlite.exec('ROLLBACK');
            throw error;
          }
        },
        schedule() {
          throw new Error('the moderation bot has no jobs');
        },
        followUp() {
          throw new Error('the moderation bot does not follow up');
        },
        cancel() {
          throw new Error('the moderation bot has no jobs');
        },
        durable: async () => {},
        rest,
        log: pino({ level: 'silent' }),
        deadline: { remainingMs: () => 2_500 },
        signal: new AbortController().signal,
      };
    },
    async [Symbol.asyncDispose]() {
      rest.clearHashSweeper();
      rest.clearHandlerSweeper();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      sqlite.close();
    },
  };
  return harness;
}

function wrap(sqlite: DatabaseSync): Database {
  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = sqlite.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  };
  return {
    get: <Row extends object>(sql: string, ...values: SqlValue[]) => prepare(sql).get(...values) as Row | undefined,
    all: <Row extends object>(sql: string, ...values: SqlValue[]) => prepare(sql).all(...values) as Row[],
    run: (sql, ...values) => {
      const { changes, lastInsertRowid } = prepare(sql).run(...values);
      return { changes: Number(changes), lastInsertRowid };
    },
  };
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}

let lastId = 0n;
/** Current ids in Discord's form, strictly increasing. */
export function snowflake(): string {
  const now = BigInt(Date.now() - 1_420_070_400_000) << 22n;
  lastId = now > lastId ? now : lastId + 1n;
  return String(lastId);
}

const actor = (userId: string, permissions: bigint) => ({
  guild_id: GUILD,
  member: { user: { id: userId, username: 'someone' }, permissions: String(permissions), roles: [] },
});
const MODERATE = 1n << 40n;

interface Given {
  readonly name: string;
  readonly value?: unknown;
  readonly focused?: true;
  readonly options?: readonly Given[];
}

/** Uses a slash command as Discord would deliver it. */
export async function useCommand(
  context: BotContext,
  name: string,
  options: readonly Given[],
  id = snowflake(),
): Promise<APIInteractionResponse> {
  const command = modbot.commands?.find((one) => one.name === name);
  if (command === undefined) throw new Error(`no command ${name}`);
  const interaction = { id, type: 2, ...actor(MODERATOR, MODERATE), data: { name, type: 1, options } };
  return command.run(interaction as never, context);
}

export function useMessageCommand(context: BotContext, name: string, message: object & { id: string }) {
  const command = modbot.commands?.find((one) => one.name === name);
  if (command === undefined) throw new Error(`no command ${name}`);
  const data = { name, type: 3, target_id: message.id, resolved: { messages: { [message.id]: message } } };
  return command.run({ id: snowflake(), type: 2, ...actor(MEMBER, 0n), data } as never, context);
}

export async function autocomplete(context: BotContext, name: string, options: readonly Given[]) {
  const command = modbot.commands?.find((one) => one.name === name);
  if (command === undefined || !('autocomplete' in command)) throw new Error(`no autocomplete of ${name}`);
  const interaction = { id: snowflake(), type: 4, ...actor(MODERATOR, MODERATE), data: { name, type: 1, options } };
  return (await command.autocomplete?.(interaction as never, context)) ?? [];
}

/** Presses a button, as a moderator unless told otherwise. */
export async function press(
  context: BotContext,
  customId: string,
  options: { permissions?: bigint; id?: string; content?: string } = {},
) {
  const handler = modbot.components?.[customId.split(':')[0] as string];
  if (handler === undefined) throw new Error(`no component ${customId}`);
  return handler.run(
    {
      id: options.id ?? snowflake(),
      type: 3,
      ...actor(MODERATOR, options.permissions ?? MODERATE),
      data: { custom_id: customId, component_type: 2 },
      message: { id: snowflake(), content: options.content ?? '' },
    } as never,
    context,
  );
}

/** Submits a modal with one text input per field. */
export async function submit(context: BotContext, customId: string, fields: Record<string, string>, id = snowflake()) {
  const handler = modbot.modals?.[customId.split(':')[0] as string];
  if (handler === undefined) throw new Error(`no modal ${customId}`);
  const components = Object.entries(fields).map(([custom_id, value]) => ({
    type: 18,
    component: { type: 4, custom_id, value },
  }));
  return handler.run(
    { id, type: 5, ...actor(MEMBER, 0n), data: { custom_id: customId, components } } as never,
    context,
  );
}

/** The message of a response. */
export function messageOf(response: APIInteractionResponse): APIInteractionResponseCallbackData {
  if (!('data' in response) || response.data === undefined) throw new Error('the response has no message');
  return response.data as APIInteractionResponseCallbackData;
}

export async function fetchPage(context: BotContext, path: string, init?: RequestInit): Promise<Response> {
  if (modbot.fetch === undefined) throw new Error('no fetch');
  return modbot.fetch(new Request(`http://bot.test${path}`, { redirect: 'manual', ...init }), context);
}
