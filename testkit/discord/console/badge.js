import { h, hueOfPod } from './dom.js';

const OUTCOMES = {
  answered: ['answered', 'good'],
  deferred: ['deferred', 'waiting'],
  completed: ['completed late', 'late'],
  timeout: ['no response in time', 'bad'],
  invalid: ['invalid response', 'bad'],
  error: ['failed', 'bad'],
};

/** @param {any} reply @returns {[label: string, tone: string]} */
export function outcomeOf(reply) {
  return (
    OUTCOMES[reply.outcome === 'deferred' && reply.completedMs !== undefined ? 'completed' : reply.outcome] ?? [
      reply.outcome,
      'bad',
    ]
  );
}

/** A duration for people: `350 ms`, `1.2 s`. @param {number} ms */
export function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** The gateway pod that responded, in its colour. @param {any} reply */
export function podChip({ pod, outcome }) {
  if (pod === null) return h('span', { class: 'pod none' }, outcome === 'deferred' ? 'owner away' : 'no pod');
  return podName(Number(pod));
}

/** The name of a gateway pod in its colour. @param {number} ordinal */
export function podName(ordinal) {
  const name = h('span', { class: 'pod' }, `gateway-${ordinal}`);
  name.style.setProperty('--hue', String(hueOfPod(ordinal)));
  return name;
}

/**
 * The pods that responded to an interaction, the time it took, and the outcome.
 * @param {any} reply
 * @param {string | null} [label] names the interaction if there are several
 */
export function badge(reply, label = null) {
  const [outcome, tone] = outcomeOf(reply);
  const late =
    reply.completedMs === undefined ? null : h('span', { class: 'ms' }, `done after ${duration(reply.completedMs)}`);
  return h(
    'span',
    {
      class: 'badge',
      'data-outcome': reply.outcome,
      'data-pod': reply.pod ?? '',
      'data-http-pod': reply.httpPod ?? '',
    },
    label === null ? null : h('span', {}, label),
    h('span', { class: 'http-pod' }, reply.httpPod ?? reply.via),
    h('span', { class: 'arrow', 'aria-hidden': 'true' }, '→'),
    podChip(reply),
    h('span', { class: 'ms' }, duration(reply.elapsedMs)),
    h('span', { class: `outcome ${tone}` }, outcome),
    late,
    reply.problem === null ? null : h('span', { class: 'problem' }, reply.problem),
  );
}
