import { type BotContext, defineBot, reply } from '../../src/bot/index.ts';

/** The maximum age of a signature for this bot, which verifies it again. */
const TOLERANCE_S = 30;

/** The time until which the bot follows the events' instructions. */
let repaired = false;

interface StripeEvent {
  readonly id: string;
  readonly data: { readonly object: { readonly metadata: { readonly behaviour: string } } };
}

function statusOf(request: Request, { data }: StripeEvent): number {
  const { behaviour } = data.object.metadata;
  if (behaviour === 'trusts-the-edge') return request.headers.get('guildway-verified') === 'stripe' ? 200 : 400;
  if (repaired) return 200;
  if (behaviour !== 'checks-the-age') return Number(behaviour);
  const signedAt = Number(/t=(\d+)/.exec(request.headers.get('stripe-signature') ?? '')?.[1]);
  return Date.now() / 1_000 - signedAt > TOLERANCE_S ? 400 : 200;
}

const write = (context: BotContext, operation: string): void =>
  context.transaction((db) => {
    db.run('INSERT INTO operations (guild_id, operation, step) VALUES (?, ?, 0)', context.guildId, operation);
  });

/** Accepts or rejects Stripe events according to their metadata. */
export default defineBot({
  name: 'stripe',
  tables: ['operations'],
  migrations: [
    'CREATE TABLE operations (guild_id TEXT NOT NULL, operation TEXT NOT NULL, step INTEGER NOT NULL) STRICT; CREATE INDEX operations_by_guild ON operations (guild_id)',
  ],
  commands: [
    {
      name: 'operation',
      description: 'Writes an operation down',
      options: [{ type: 3, name: 'id', description: 'Its id', required: true }],
      run(interaction, context) {
        const [{ value }] = interaction.data.options as unknown as [{ value: string }];
        write(context, value);
        return reply(`done ${value}`);
      },
    },
  ],
  async fetch(request, context) {
    if (!request.url.endsWith('/webhooks/stripe')) {
      repaired = true;
      return new Response('repaired');
    }
    const event = (await request.json()) as StripeEvent;
    const status = statusOf(request, event);
    if (status === 200) write(context, event.id);
    return new Response(null, { status });
  },
});
