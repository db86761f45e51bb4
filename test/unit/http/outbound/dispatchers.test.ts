/** The wrappers around a transport, each with the test's own transport. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { DispatchError, type ErrorCode } from '../../../../src/errors.ts';
import { Breaker, BreakerGuard } from '../../../../src/http/outbound/breaker.ts';
import { Connect } from '../../../../src/http/outbound/connect.ts';
import type { Dispatcher, ResponseHandler } from '../../../../src/http/outbound/dispatcher.ts';
import { ForwardedRequest, type ForwardedRequestInit } from '../../../../src/http/outbound/forwarded-request.ts';
import { KnownTopologies } from '../../../../src/http/outbound/known-topologies.ts';
import { ObeyStatements } from '../../../../src/http/outbound/pod-statements.ts';
import { Retry } from '../../../../src/http/outbound/retry.ts';
import { RetryBudget } from '../../../../src/http/outbound/retry-budget.ts';
import { fetchWhole, WholeResponse } from '../../../../src/http/outbound/whole-response.ts';
import type { LinkClient } from '../../../../src/link/client.ts';
import { MAX_RESPONSE_BODY } from '../../../../src/link/frames.ts';
import type { GatewayResponse } from '../../../../src/link/message.ts';
import { ThrottledLog } from '../../../../src/observability/throttled-log.ts';
import { HEADER } from '../../../../src/protocol/headers.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { inMs } from '../../../../src/time.ts';

const EMPTY = Buffer.alloc(0);
const OK = { status: 200, headers: [], body: Buffer.from('done') };
const noFlow = { resume() {}, abort() {} };
const lost = new DispatchError('LINK_LOST', 'unknown', 'lost');
const away = new DispatchError('LINK_UNAVAILABLE', 'not-sent', 'away');

const request = (init: Partial<ForwardedRequestInit> = {}): ForwardedRequest =>
  new ForwardedRequest(0, {
    ...{ method: 'GET', target: '/', headers: [], body: EMPTY, upload: null, transport: 'link', whole: false },
    ...{ deadlineAt: inMs(60_000), attemptsUntil: inMs(60_000), anyPod: false, repeatable: 'always' },
    ...init,
  });

/** Records the calls of a handler as text. */
function listener(): { heard: string[]; handler: ResponseHandler; over: Promise<void> } {
  const heard: string[] = [];
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const end = (word: string): void => {
    heard.push(word);
    resolve();
  };
  const handler: ResponseHandler = {
    onResponse: ({ status }) => end(`response ${status}`),
    onHead: (status) => heard.push(`head ${status}`),
    onBody: (chunk) => heard.push(String(chunk)) > 0,
    onEnd: () => end('end'),
    onError: ({ code, outcome }) => end(`${code} ${outcome}`),
  };
  return { heard, handler, over };
}

/** A scripted transport with one step per request. Records the asked pods. */
function play(...steps: ((handler: ResponseHandler) => void)[]): { asked: number[]; next: Dispatcher } {
  const asked: number[] = [];
  return {
    asked,
    next: {
      dispatch({ pod }, handler) {
        const step = steps[asked.push(pod) - 1];
        assert.ok(step, 'asked more often than expected');
        step(handler);
      },
    },
  };
}
const fails = (error: DispatchError) => (handler: ResponseHandler) => handler.onError(error);
const answers =
  (response: { status: number; headers: string[]; body: Buffer } = OK) =>
  (handler: ResponseHandler) =>
    handler.onResponse(response);
/** A response as plain HTTP delivers it. */
const streams =
  (status: number, headers: string[], ...rest: ('end' | DispatchError)[]) =>
  (handler: ResponseHandler) => {
    handler.onHead(status, headers, noFlow);
    handler.onBody(Buffer.from('part'));
    for (const step of rest)
      if (step === 'end') handler.onEnd();
      else handler.onError(step);
  };
const refuses = { status: 503, headers: [HEADER.refusal, 'draining'], body: EMPTY };
const redirects = (owner: number, topology?: string) => ({
  status: 421,
  headers: [HEADER.owner, String(owner), HEADER.epoch, '1', ...(topology ? [HEADER.topology, topology] : [])],
  body: EMPTY,
});

const breaker = (failures = 2) => new Breaker({ failures, openMs: 60_000 });
const podOf = (ordinal: number) => ({ ordinal, linked: true, live: true, breaker: breaker(), link: null });

function retry(next: Dispatcher, percent = 100): Retry {
  const pods = [podOf(0), podOf(1)];
  return new Retry({ pods, budget: new RetryBudget(percent), baseMs: 0, onRetry() {}, next });
}

test('an attempt that was not sent is retried; one with an unknown outcome only if the request may run twice', async () => {
  for (const [repeatable, steps, expected] of [
    ['never', [fails(away), answers()], ['response 200']],
    ['always', [fails(lost), answers()], ['response 200']],
    ['at-our-pods', [fails(lost), answers()], ['response 200']],
    ['never', [fails(lost)], ['LINK_LOST unknown']],
  ] as const) {
    const { heard, handler, over } = listener();
    const { asked, next } = play(...steps);
    retry(next).dispatch(request({ repeatable }), handler);
    await over;
    assert.deepEqual([heard, asked.length], [expected, steps.length], repeatable);
  }
});

test('after an attempt with an unknown outcome the outcome stays unknown, whatever later attempts say', async () => {
  const { heard, handler, over } = listener();
  const cancelled = new DispatchError('CANCELLED', 'not-sent', 'gone');
  retry(play(fails(lost), fails(cancelled)).next).dispatch(request(), handler);
  await over;
  assert.deepEqual(heard, ['CANCELLED unknown']);
});

test('a started response is not retried: the handler gets its error', async () => {
  const { heard, handler, over } = listener();
  retry(play(streams(200, [], lost)).next).dispatch(request(), handler);
  await over;
  assert.deepEqual(heard, ['head 200', 'part', 'LINK_LOST unknown']);
});

test('nothing is sent again without budget, without time, or after the client disconnected', async () => {
  for (const [forwarded, percent] of [
    [request(), 0],
    [request({ attemptsUntil: inMs(0) }), 100],
    [request(), 100],
  ] as const) {
    const { heard, handler, over } = listener();
    if (percent === 100) forwarded.cancel();
    retry(play(fails(lost)).next, percent).dispatch(forwarded, handler);
    await over;
    assert.deepEqual(heard, ['LINK_LOST unknown']);
  }
});

test('if any pod may answer, another one is asked after a failure', async () => {
  const { heard, handler, over } = listener();
  const { asked, next } = play(fails(away), answers());
  const forwarded = request({ anyPod: true });
  retry(next).dispatch(forwarded, handler);
  await over;
  assert.deepEqual([heard, asked, forwarded.pod], [['response 200'], [0, 1], 1]);
});

/** In front of two pods under md5/2, epoch 1. */
function obey(next: Dispatcher, noted: { redirects?: number; asks?: number; warnings?: string[] } = {}) {
  const known = new KnownTopologies(createTopology({ strategy: 'md5', pods: 2 }));
  const note = (line: string): void => void noted.warnings?.push((JSON.parse(line) as { msg: string }).msg);
  return new ObeyStatements({
    upstreams: {
      get list() {
        return Array.from({ length: known.pods }, (_, ordinal) => podOf(ordinal));
      },
      get topology() {
        return known.newest;
      },
      learn: (topology) => known.learn(topology),
      askSoon() {
        noted.asks = (noted.asks ?? 0) + 1;
      },
    },
    metrics: {
      redirected() {
        noted.redirects = (noted.redirects ?? 0) + 1;
      },
    },
    log: new ThrottledLog(pino({ level: 'warn' }, { write: note })),
    next,
  });
}

test("a pod's refusal is an error with the outcome not-sent; a bot's status is a response", () => {
  for (const [step, expected] of [
    [answers(refuses), ['LINK_UNAVAILABLE not-sent']],
    [answers({ ...refuses, status: 401 }), ['LINK_REFUSED not-sent']],
    [streams(503, refuses.headers, 'end'), ['LINK_UNAVAILABLE not-sent']],
    [answers({ ...OK, status: 503 }), ['response 503']],
    [streams(421, [], 'end'), ['head 421', 'part', 'end']],
  ] as const) {
    const { heard, handler } = listener();
    obey(play(step).next).dispatch(request(), handler);
    assert.deepEqual(heard, expected);
  }
});

test('without a move no pod is asked twice: if pods name each other, themselves or none, the topologies differ', () => {
  for (const [steps, expected, pods] of [
    [[answers(redirects(1)), answers()], 'response 200', [0, 1]],
    [[streams(421, redirects(1).headers, 'end'), answers()], 'response 200', [0, 1]],
    [[answers(redirects(1)), answers(redirects(0))], 'TOPOLOGY_MISMATCH not-sent', [0, 1]],
    [[answers(redirects(0))], 'TOPOLOGY_MISMATCH not-sent', [0]],
    [[answers(redirects(7))], 'TOPOLOGY_MISMATCH not-sent', [0]],
    // Another topology of the same epoch, or an invalid text.
    [[answers(redirects(1, 'md5/3@1')), answers(redirects(0, 'md5/3@1'))], 'TOPOLOGY_MISMATCH not-sent', [0, 1]],
    [[answers(redirects(1, 'md5/3')), answers(redirects(0))], 'TOPOLOGY_MISMATCH not-sent', [0, 1]],
  ] as const) {
    const { heard, handler } = listener();
    const { asked, next } = play(...steps);
    const noted = { warnings: [] as string[] };
    obey(next, noted).dispatch(request(), handler);
    assert.deepEqual([heard, asked], [[expected], pods]);
    assert.deepEqual(noted.warnings.slice(0, 1), ['a pod says that it is not the owner of a guild']);
  }
});

test('while guilds move, redirects are followed to unknown pods and back, but not endlessly', () => {
  for (const [named, expected, asked] of [
    // A newer topology; the old owner still has the guild; it has just left.
    [[4, 0, 4], 'response 200', [0, 4, 0, 4]],
    [[1, 2, 3, 4], 'response 200', [0, 1, 2, 3, 4]],
    [[4, 0, 4, 0], 'LINK_UNAVAILABLE not-sent', [0, 4, 0, 4]],
    [[1, 2, 3, 4, 1], 'LINK_UNAVAILABLE not-sent', [0, 1, 2, 3, 4]],
    [[0], 'LINK_UNAVAILABLE not-sent', [0]],
    [[5], 'LINK_UNAVAILABLE not-sent', [0]],
  ] as const) {
    const { heard, handler } = listener();
    const steps = named.map((pod) => answers(redirects(pod, 'md5/5@2')));
    const played = play(...steps, answers());
    const noted = { redirects: 0, asks: 0, warnings: [] };
    obey(played.next, noted).dispatch(request(), handler);
    assert.deepEqual([heard, played.asked, noted.warnings], [[expected], asked, []]);
    assert.deepEqual([noted.redirects, noted.asks], [named.length, expected === 'response 200' ? 0 : 1]);
  }
});

test("if the redirect's target fails, the next attempt starts at the owner again", async () => {
  const { heard, handler, over } = listener();
  const { asked, next } = play(answers(redirects(1)), fails(away), answers());
  retry(obey(next)).dispatch(request(), handler);
  await over;
  assert.deepEqual([heard, asked], [['response 200'], [0, 1, 0]]);
});

test("for a started upload the client gets the pod's statement", () => {
  const { heard, handler } = listener();
  const upload = { read: (): AsyncIterable<Buffer> => assert.fail('not read here') };
  obey(play(streams(503, refuses.headers, 'end')).next).dispatch(request({ upload }), handler);
  assert.deepEqual(heard, ['head 503', 'part', 'end']);
});

test('the breaker counts each attempt once: refusals and failures of the pod, not those of clients', () => {
  const error = (code: ErrorCode): DispatchError => new DispatchError(code, 'unknown', '');
  for (const [step, closed] of [
    [answers(), true],
    [answers(refuses), false],
    [fails(lost), false],
    [fails(error('CANCELLED')), true],
    [fails(error('REQUEST_INVALID')), true],
    // The head of a stream shows that the pod is up.
    [streams(200, [], lost), true],
    [streams(503, refuses.headers, lost), false],
  ] as const) {
    const guarded = breaker(1);
    new BreakerGuard(guarded, play(step).next).dispatch(request(), listener().handler);
    assert.equal(guarded.closed, closed);
  }
  const twice = breaker(2);
  new BreakerGuard(twice, play(streams(503, refuses.headers, lost)).next).dispatch(request(), listener().handler);
  assert.equal(twice.closed, true, 'a refusal whose connection is lost is one failure');
});

test('an open breaker fails every request as not sent', () => {
  const { heard, handler } = listener();
  const open = breaker(1);
  open.failed();
  const { asked, next } = play();
  new BreakerGuard(open, next).dispatch(request(), handler);
  assert.deepEqual([heard, asked], [['LINK_UNAVAILABLE not-sent'], []]);
});

test('requests choose their transport, and wait for a link that is being dialled', async () => {
  const via = (word: string): Dispatcher => ({ dispatch: () => void used.push(word) });
  const used: string[] = [];
  const transports = { link: via('link'), plain: via('plain'), upgrade: via('upgrade') };
  const dialled = Promise.withResolvers<'ready' | 'plain'>();
  const link = { state: 'connecting', connect: () => dialled.promise } as unknown as LinkClient;
  const { heard, handler } = listener();
  const connect = new Connect(link, transports);
  const gone = request();
  for (const forwarded of [request({ transport: 'upgrade' }), request({ transport: 'plain' }), request(), gone]) {
    connect.dispatch(forwarded, handler);
  }
  assert.deepEqual(used, ['upgrade', 'plain']);
  gone.cancel();
  dialled.resolve('ready');
  await dialled.promise;
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([used, heard], [['upgrade', 'plain', 'link'], ['CANCELLED not-sent']]);
  new Connect(null, transports).dispatch(request(), handler);
  assert.equal(used.at(-1), 'plain', 'a pod without a link');
});

test('a dial that fails or takes too long is an error with the outcome not-sent', async () => {
  const never: Dispatcher = { dispatch: () => assert.fail('there is no connection') };
  const transports = { link: never, plain: never, upgrade: never };
  for (const [dial, attemptsUntil] of [
    [Promise.reject(away), inMs(60_000)],
    [new Promise<never>(() => {}), inMs(1)],
  ] as const) {
    const { heard, handler, over } = listener();
    const link = { state: 'connecting', connect: () => dial } as unknown as LinkClient;
    new Connect(link, transports).dispatch(request({ attemptsUntil }), handler);
    await over;
    assert.deepEqual(heard, ['LINK_UNAVAILABLE not-sent']);
  }
});

test('a whole response is collected from its parts, up to the limit of the link', async () => {
  const collect = (step: (handler: ResponseHandler) => void) =>
    new Promise<GatewayResponse>((resolve, reject) =>
      step(new WholeResponse(request(), { onResponse: resolve, onError: reject })),
    );
  const { status, headers, body } = await collect(streams(201, ['x', 'y'], 'end'));
  assert.deepEqual([status, headers, String(body)], [201, ['x', 'y'], 'part']);
  assert.equal(await collect(answers()), OK);
  await assert.rejects(collect(streams(200, [], lost)), lost);
  const huge = collect((handler) => {
    handler.onHead(200, [], { resume() {}, abort: (error) => handler.onError(error) });
    handler.onBody(Buffer.alloc(MAX_RESPONSE_BODY + 1));
  });
  await assert.rejects(huge, { code: 'LINK_LOST', outcome: 'unknown' });
});

test('a fetch resolves with the whole response and its pod, or rejects with the error', async () => {
  const options = { deadlineAt: inMs(60_000), repeatable: 'never' } as const;
  const message = { method: 'GET', target: '/', headers: [], body: EMPTY };
  assert.deepEqual(await fetchWhole(play(answers()).next, 1, message, options), { response: OK, pod: 1 });
  await assert.rejects(fetchWhole(play(fails(lost)).next, 0, message, options), lost);
});

test('a cancelled request ends the attempt that is under way', () => {
  const ids: number[] = [];
  const forwarded = request();
  forwarded.attemptedBy({ cancel: (id) => void ids.push(id) }, 7);
  assert.equal(forwarded.cancelled, false);
  forwarded.cancel();
  assert.deepEqual([ids, forwarded.cancelled], [[7], true]);
});
