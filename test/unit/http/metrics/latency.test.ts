import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { Latency, registerLatency } from '../../../../src/http/metrics/latency.ts';

test('times are counted in cumulative buckets, those beyond the last bound too', async () => {
  const latency = new Latency();
  for (const seconds of [0.001, 0.002, 60]) latency.add(seconds);
  const registry = new Registry();
  registerLatency(registry, { name: 'x', help: 'x', label: 'kind', series: () => [['page', latency]] });
  const text = await registry.metrics();
  for (const [bound, count] of [
    ['0.001', 1],
    ['0.0025', 2],
    ['10', 2],
    ['+Inf', 3],
  ]) {
    assert.ok(text.includes(`x_bucket{le="${bound}",kind="page"} ${count}\n`), text);
  }
  assert.match(text, /x_count\{kind="page"\} 3/);
});
