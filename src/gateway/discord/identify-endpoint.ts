import type { GatewayRequest, GatewayResponse, RequestContext } from '../../link/message.ts';
import { remaining } from '../../time.ts';
import { empty, problem } from '../dispatch/responses.ts';
import type { IdentifyGate } from './identify-gate.ts';

/** `POST /_guildway/identify` with `{"shard": 0}`: 204 when the caller may identify, 503 when it must ask again. Does not reject. */
export async function serveIdentify(
  gate: IdentifyGate,
  request: GatewayRequest,
  context: RequestContext,
  stopping: AbortSignal,
): Promise<GatewayResponse> {
  const shard = shardOf(request.body);
  if (shard === null) return problem(400, 'it takes {"shard": 0}');
  const waitMs = Math.max(1, Math.floor(remaining(context.deadlineAt)));
  try {
    await gate.acquire(shard, AbortSignal.any([AbortSignal.timeout(waitMs), context.signal, stopping]));
    return empty(204);
  } catch (error) {
    return problem(503, `no identify slot in time: ${(error as Error).message}`, ['retry-after', '1']);
  }
}

function shardOf(body: Buffer): number | null {
  try {
    const { shard } = JSON.parse(body.toString('utf8')) as { shard?: unknown };
    return Number.isSafeInteger(shard) && (shard as number) >= 0 ? (shard as number) : null;
  } catch {
    return null;
  }
}
