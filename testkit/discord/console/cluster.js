import { get, post } from './api.js';
import { podName } from './badge.js';
import { byId, h, hueOfPod } from './dom.js';

const LOOK_MS = 3000;
/** While guilds move. */
const WATCH_MS = 250;
const MOVE_MS = 900;

/** The gateway pods with a dot for each guild. Dots fly from pod to pod when the number of pods changes. */
export class ClusterPanel {
  #onError;
  #timer = 0;
  /** @type {any} */ #view = null;
  /** The dot of each guild. @type {Map<string, HTMLElement>} */ #dots = new Map();

  /** @param {(error: Error) => void} onError */
  constructor(onError) {
    this.#onError = onError;
    for (const [id, by] of /** @type {const} */ ([
      ['add-pod', 1],
      ['remove-pod', -1],
    ])) {
      byId(id).addEventListener('click', () => {
        if (byId(id).getAttribute('aria-disabled') !== 'true') void this.#resize(by);
      });
    }
  }

  start() {
    void this.#look();
  }

  /** @param {1 | -1} by */
  async #resize(by) {
    try {
      this.#show(await post('/cluster', { gatewayPods: this.#view.gatewayPods + by }));
      void this.#look();
    } catch (error) {
      this.#onError(/** @type {Error} */ (error));
    }
  }

  async #look() {
    clearTimeout(this.#timer);
    const view = await get('/cluster').catch(() => this.#view);
    byId('cluster').hidden = view === null;
    if (view === null) return;
    this.#show(view);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), view.isChanging ? WATCH_MS : LOOK_MS);
  }

  #show(view) {
    this.#view = view;
    const before = new Map([...this.#dots].map(([id, dot]) => [id, dot.getBoundingClientRect()]));
    byId('pods').replaceChildren(...view.pods.map((pod) => this.#row(pod)));
    const shown = new Set(view.pods.flatMap(({ guildIds }) => guildIds));
    for (const id of this.#dots.keys()) if (!shown.has(id)) this.#dots.delete(id);
    for (const [id, dot] of this.#dots) this.#fly(dot, before.get(id));
    byId('pod-count').textContent = String(view.gatewayPods);
    byId('cluster-status').textContent = statusOf(view);
    byId('cluster-status').classList.toggle('bad', view.problem !== null);
    for (const [button, isAllowed] of /** @type {const} */ ([
      ['add-pod', view.gatewayPods < view.mostPods],
      ['remove-pod', view.gatewayPods > 1],
    ])) {
      // Not `disabled`, which would take the focus away from a button that is used again and again.
      byId(button).setAttribute('aria-disabled', String(view.isChanging || !isAllowed));
    }
  }

  #row({ pod, state, guilds, guildIds }) {
    const name = podName(pod);
    const word = state === 'ready' ? '' : ` · ${state}`;
    const row = h(
      'li',
      {},
      h('p', {}, name, h('small', {}, `${guilds} guild${guilds === 1 ? '' : 's'}${word}`)),
      h('div', { class: 'guilds', 'aria-hidden': 'true' }, ...guildIds.map((id) => this.#dot(id))),
    );
    row.style.setProperty('--hue', String(hueOfPod(pod)));
    return row;
  }

  #dot(id) {
    const dot = this.#dots.get(id) ?? h('i', {});
    this.#dots.set(id, dot);
    return dot;
  }

  /** Moves a dot from where it was to where it is now. */
  #fly(dot, from) {
    if (from === undefined || from.width === 0 || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    const to = dot.getBoundingClientRect();
    const [x, y] = [from.left - to.left, from.top - to.top];
    // Only within a row: the neighbours close up.
    if (Math.abs(y) < 12) return;
    dot.animate([{ transform: `translate(${x}px, ${y}px) scale(1.8)` }, { transform: 'none' }], {
      duration: MOVE_MS,
      easing: 'cubic-bezier(0.3, 0, 0.2, 1)',
    });
  }
}

/** @param {any} view */
function statusOf({ progress, isChanging, problem, gatewayPods }) {
  if (problem !== null) return problem;
  if (progress !== null) {
    const [trouble] = progress.troubles;
    const moved = `${progress.arrived} of ${progress.arrived + progress.left} guilds have moved.`;
    return trouble === undefined ? moved : `${moved} ${trouble}`;
  }
  if (isChanging) return `Changing to ${gatewayPods} gateway pods …`;
  return 'Every guild is at its owner.';
}
