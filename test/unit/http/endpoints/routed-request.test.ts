import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RoutedRequest } from '../../../../src/http/endpoints/routed-request.ts';
import type { ClientStream } from '../../../../src/http/inbound/client-stream.ts';
import type { EdgeRequest } from '../../../../src/http/inbound/edge-request.ts';
import { after, asMonotonicTime } from '../../../../src/time.ts';

const startedAt = asMonotonicTime(1_000);
const stream = {} as ClientStream;

function routed(
  request: { method?: string; fields?: string[]; stream?: ClientStream },
  body: Buffer | null = Buffer.alloc(0),
  streams = false,
): RoutedRequest {
  const edge = { method: 'GET', url: '/x', fields: [], startedAt, stream: null, ...request } as unknown as EdgeRequest;
  const options = { requestTimeoutMs: 10_000, headersFor: () => ['host', 'a'] };
  return new RoutedRequest(edge, { guildId: null, anyPod: false, streams }, body, options);
}

test('a request may run twice if its method or its key allows it, and never if its body streams', () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS']) assert.equal(routed({ method }).repeatable, 'always', method);
  for (const method of ['POST', 'PUT', 'DELETE']) assert.equal(routed({ method }).repeatable, 'never', method);
  assert.equal(routed({ method: 'POST', fields: ['idempotency-key', 'k'] }).repeatable, 'always');
  const upload = routed({ method: 'POST', fields: ['idempotency-key', 'k'], stream }, null);
  assert.deepEqual([upload.repeatable, upload.upload, upload.body.length], ['never', stream, 0]);
});

test('attempts end after 2 s for a browser, and at the deadline for any other client', () => {
  const deadlineAt = after(startedAt, 10_000);
  const page = routed({ fields: ['accept', 'text/html'] });
  assert.deepEqual([page.attemptsUntil, page.deadlineAt], [after(startedAt, 2_000), deadlineAt]);
  assert.equal(routed({ fields: ['accept', 'application/json'] }).attemptsUntil, deadlineAt);
});

test('streams go over plain HTTP; a client that cannot receive a stream gets the whole response', () => {
  assert.deepEqual([routed({}).transport, routed({ stream }, Buffer.alloc(0), true).transport], ['link', 'plain']);
  assert.deepEqual([routed({}).whole, routed({ stream }).whole], [true, false]);
});
