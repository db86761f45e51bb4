import type { SessionFilter } from '../gateway/control.ts';
import type { DiscordSimulator } from '../simulator.ts';
import { fieldsOf } from './fields.ts';
import type { ConsoleRoutes } from './routes.ts';

/** Routes that inspect the simulator and inject faults. */
export function troubleRoutes(simulator: DiscordSimulator, info: () => object): ConsoleRoutes {
  const { gateway, misbehave, interactions } = simulator;
  const trouble = () => ({
    slowMs: misbehave.slowMs,
    inlineDelayMs: misbehave.inlineDelayMs,
    resumeUrlDead: gateway.resumeUrlDead,
    pending: misbehave.pending(),
  });
  return {
    'GET /sessions': () => gateway.sessions(),
    'GET /stats': () => simulator.stats(),
    'GET /violations': () => simulator.violations.list(),
    'GET /calls': () => simulator.rest.calls(),
    'GET /misbehave': trouble,
    'POST /gateway': ({ body }) => ({ affected: act(simulator, body) }),
    'POST /probe': () => interactions.probeWrongSignature(),
    'POST /webhook-events': ({ body }) => simulator.events.webhook(fieldsOf(body).text('type'), body.data),
    'POST /settings': ({ body }) => {
      const fields = fieldsOf(body);
      if ('interactionsUrl' in body) simulator.interactionsUrl = fields.nullable('interactionsUrl');
      if ('eventWebhookUrl' in body) simulator.eventWebhookUrl = fields.nullable('eventWebhookUrl');
      return info();
    },
    'POST /misbehave': ({ body }) => {
      const fields = fieldsOf(body);
      if (body.reset === true) {
        misbehave.reset();
        gateway.resumeUrlDead = false;
      }
      misbehave.slowMs = fields.number('slowMs') ?? misbehave.slowMs;
      misbehave.inlineDelayMs = fields.number('inlineDelayMs') ?? misbehave.inlineDelayMs;
      if (typeof body.resumeUrlDead === 'boolean') gateway.resumeUrlDead = body.resumeUrlDead;
      const limit = fields.options('rateLimit');
      if (limit !== undefined) misbehave.rateLimit429Once(fieldsOf(limit).text('route'), limit);
      const fail = fields.options('fail');
      if (fail !== undefined) {
        const of = fieldsOf(fail);
        misbehave.fail(of.text('route'), of.number('status') ?? 500, of.number('times') ?? 1);
      }
      return trouble();
    },
  };
}

function act({ gateway }: DiscordSimulator, body: Readonly<Record<string, unknown>>): number {
  const fields = fieldsOf(body);
  const filter: SessionFilter = { shard: fields.number('shard'), sessionId: fields.optional('sessionId') };
  const action = fields.text('action');
  switch (action) {
    case 'drop':
      return gateway.dropSocket(filter);
    case 'reconnect':
      return gateway.reconnect(filter);
    case 'invalidate':
      return gateway.invalidate(filter, { resumable: body.resumable === true });
    case 'close':
      return gateway.close(filter, fields.number('code') ?? 4000);
    case 'pause-acks':
      return gateway.pauseHeartbeatAcks(filter);
    case 'request-heartbeat':
      return gateway.requestHeartbeat(filter);
    case 'forget':
      return gateway.forgetSessions(filter);
    default:
      throw new TypeError(`unknown action ${action}`);
  }
}
