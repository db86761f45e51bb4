/**
 * Preloaded into the pods of a local cluster, so that a test can move their clocks: `cluster.advance('1h')`. A pod in production never
 * loads this file. The monotonic clock and timers are left alone: deadlines and pauses of requests do not jump.
 */
const System = globalThis.Date;
const { timeOrigin } = performance;
let aheadMs = Number(process.env.GUILDWAY_TEST_CLOCK_AHEAD_MS ?? 0);

globalThis.Date = class extends System {
  constructor(...parts: [] | ConstructorParameters<DateConstructor>) {
    if (parts.length === 0) super(System.now() + aheadMs);
    else super(...(parts as [number]));
  }

  static override now(): number {
    return System.now() + aheadMs;
  }
} as DateConstructor;

// What `steadyNow` of src/time.ts adds the monotonic clock to.
Object.defineProperty(performance, 'timeOrigin', { get: () => timeOrigin + aheadMs });

process.on('message', (message: { readonly clockAheadMs?: unknown }) => {
  if (typeof message.clockAheadMs !== 'number') return;
  aheadMs = message.clockAheadMs;
  process.send?.({ clockAheadMs: aheadMs });
});
// The channel does not keep the pod alive.
process.channel?.unref();
