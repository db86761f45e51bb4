/**
 * The bot of the history check. It writes one row for each step of an operation. The table has no constraints, so a step that
 * runs twice leaves two rows.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ApplicationCommandOptionType } from 'discord-api-types/v10';
import { type BotContext, defineBot, optionsOf, reply } from 'guildway';

interface Order {
  readonly operation: string;
  /** Transactions, each writing one row. */
  readonly steps: number;
  /** Delay before the first transaction. */
  readonly slowMs: number;
}

async function execute(order: Order, via: string, context: BotContext): Promise<void> {
  if (order.slowMs > 0) await sleep(order.slowMs);
  for (let step = 0; step < order.steps; step++) {
    // Other work or a kill can happen between two steps.
    if (step > 0) await sleep(1);
    context.transaction((db) => {
      db.run(
        'INSERT INTO operations (guild_id, operation, step, via) VALUES (?, ?, ?, ?)',
        context.guildId,
        order.operation,
        step,
        via,
      );
    });
  }
}

/** The content of a message that is an operation: `operation <id>` or `operation <id> <delay in ms>`. */
const MESSAGE = /^operation (\S+)(?: (\d+))?$/;

export default defineBot({
  name: 'chaos',
  // GUILD_MESSAGES and MESSAGE_CONTENT.
  intents: (1 << 9) | (1 << 15),
  tables: ['operations'],
  migrations: [
    'CREATE TABLE operations (guild_id TEXT NOT NULL, operation TEXT NOT NULL, step INTEGER NOT NULL, via TEXT NOT NULL) STRICT',
  ],
  commands: [
    {
      name: 'operation',
      description: 'Records an operation',
      options: [
        { type: ApplicationCommandOptionType.String, name: 'id', description: 'Its number', required: true },
        { type: ApplicationCommandOptionType.Integer, name: 'steps', description: 'Transactions' },
        { type: ApplicationCommandOptionType.Integer, name: 'slow-ms', description: 'Milliseconds before the first' },
      ],
      async run(interaction, context) {
        const options = optionsOf(interaction);
        const operation = options.string('id') ?? '';
        const order = { operation, steps: options.number('steps') ?? 1, slowMs: options.number('slow-ms') ?? 0 };
        await execute(order, 'interaction', context);
        return reply(`done ${operation}`);
      },
    },
  ],
  events: {
    async MESSAGE_CREATE(message, context) {
      const [, operation, slowMs] = MESSAGE.exec(message.content) ?? [];
      if (operation !== undefined)
        await execute({ operation, steps: 1, slowMs: Number(slowMs ?? 0) }, 'event', context);
    },
  },
  webhookEvents: {
    async ENTITLEMENT_CREATE({ event }, context) {
      const { operation } = (event as unknown as { data: { operation: string } }).data;
      await execute({ operation, steps: 1, slowMs: 0 }, 'webhook', context);
    },
  },
  async fetch(request, context) {
    const { pathname } = new URL(request.url);
    if (request.method !== 'POST' || !/^\/api\/guilds\/\d+\/operations$/.test(pathname)) {
      return Response.json({ error: `no ${request.method} ${pathname}` }, { status: 404 });
    }
    const order = (await request.json()) as Order;
    await execute(order, 'api', context);
    return Response.json({ done: order.operation }, { status: 201 });
  },
});
