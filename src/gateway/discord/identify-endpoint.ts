import type { GatewayRequest, GatewayResponse, RequestContext } from '../../link/message.ts';
import { remaining } from '../../time.ts';
import { empty, failed, problem } from '../dispatch/responses.ts';
import type { IdentifyGate } from './identify-gate.ts';

/**
 * `POST /_guildway/identify` with `{"shard": 0}`: 204 when the sender may identify, 503 when it must ask again. A 503 with a
 * pod's statement means that this pod grants no slots at present, see pod-statement.ts. Never rejects.
 */
export async function serveIdentify(
  gate: IdentifyGate,
  request: GatewayRequest,
  context: RequestContext,
  stopping: AbortSignal,
): Promise<GatewayResponse> {
  const shard = shardOf(request.body);
  if (shard === null) return problem(400, 'it takes {"shard": 0}');
  const waitMs = Math.max(1, Math.floor(remaining(context.deadlineAt)));
  const inTime = AbortSignal.any([AbortSignal.timeout(waitMs), context.signal]);
  try {
    await gate.acquire(shard, AbortSignal.any([inTime, stopping]));
    return empty(204);
  } catch (error) {
    if (inTime.aborted) return problem(503, 'no identify slot in time: ask again', ['retry-after', '1']);
    const why = stopping.aborted ? 'it is shutting down' : `Discord cannot be asked: ${(error as Error).message}`;
    return failed(503, `this pod grants no identify slots: ${why}`);
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
