import { post } from './api.js';
import { duration, outcomeOf, podChip, podName } from './badge.js';
import { byId, h } from './dom.js';
import { commandLabel } from './message.js';

const SHOWN = 10;

/** The side panel: the pods that responded, the gateway's sessions, and fault injection. */
export class Panel {
  #store;
  #status = byId('trouble-status');

  /** @param {import('./store.js').Store} store */
  constructor(store) {
    this.#store = store;
    byId('trouble').addEventListener('click', (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest('button');
      if (button?.dataset.do) this.#try(() => this.#do(button.dataset.do));
    });
    byId('slow').addEventListener('change', (event) => this.#try(() => this.#slow(Number(event.target.value))));
  }

  renderInteractions() {
    // Autocomplete sends an interaction for each keystroke. Successful ones would hide the other interactions.
    const interactions = this.#store.interactions.filter(({ type, outcome }) => type !== 4 || outcome !== 'answered');
    const suggestions = this.#store.interactions.length - interactions.length;
    byId('suggestion-count').textContent =
      suggestions === 0 ? '' : `and ${suggestions} suggestion${suggestions === 1 ? '' : 's'} while typing`;
    this.#renderRoute(interactions[0]);
    byId('interactions').replaceChildren(
      ...interactions.slice(0, SHOWN).map((reply) => {
        const [label, tone] = outcomeOf(reply);
        return h(
          'tr',
          {},
          h(
            'td',
            {},
            h('span', { class: `dot ${tone}`, title: label }),
            h('span', { class: 'visually-hidden' }, label),
            commandLabel(reply),
          ),
          h('td', {}, reply.httpPod ?? reply.via),
          h('td', {}, podChip(reply)),
          h('td', { class: 'number' }, duration(reply.completedMs ?? reply.elapsedMs)),
        );
      }),
    );
    byId('no-interactions').hidden = interactions.length > 0;
  }

  #renderRoute(reply) {
    if (reply === undefined) return;
    const [label, tone] = outcomeOf(reply);
    const step = (name, about) =>
      h('li', {}, name instanceof Node ? name : h('strong', {}, name), h('small', {}, about));
    byId('route').replaceChildren(
      h(
        'ol',
        {},
        step('Discord', commandLabel(reply)),
        step(reply.httpPod ?? reply.via, 'HTTP pod'),
        step(podChip(reply), 'owner of the guild'),
      ),
      h(
        'p',
        {},
        h('strong', { class: 'big' }, duration(reply.elapsedMs)),
        h('span', { class: `outcome ${tone}` }, label),
      ),
    );
  }

  renderSessions() {
    const { sessions } = this.#store;
    const sorted = [...sessions].sort((a, b) => a.shard - b.shard || ownerOf(a).localeCompare(ownerOf(b)));
    const focused = document.activeElement?.getAttribute('data-session');
    byId('sessions').replaceChildren(
      ...sorted.map((session) =>
        h(
          'tr',
          {},
          h(
            'td',
            {},
            h('span', { class: `dot ${session.connected ? 'good' : 'waiting'}` }),
            h('span', { class: 'visually-hidden' }, session.connected ? 'connected' : 'can be resumed'),
            `${session.shard}/${session.numShards}`,
          ),
          h('td', {}, ordinalOf(session) === null ? ownerOf(session) : podName(ordinalOf(session))),
          h('td', { class: 'number', title: 'Events sent' }, session.seq),
          h('td', { class: 'number', title: 'Resumed' }, session.resumes),
          h(
            'td',
            {},
            h(
              'button',
              {
                type: 'button',
                class: 'small',
                'data-session': session.sessionId,
                'aria-label': `Drop shard ${session.shard} of ${ownerOf(session)}`,
                onclick: () => this.#try(() => this.#gateway({ action: 'drop', sessionId: session.sessionId })),
              },
              'drop',
            ),
          ),
        ),
      ),
    );
    if (focused) byId('sessions').querySelector(`[data-session="${focused}"]`)?.focus();
    byId('no-sessions').hidden = sessions.length > 0;
    const connected = sessions.filter((session) => session.connected).length;
    byId('session-count').textContent = sessions.length === 0 ? '' : `${connected} of ${sessions.length} connected`;
  }

  renderViolations() {
    const { violations } = this.#store;
    byId('violations').replaceChildren(
      ...violations
        .slice(-5)
        .reverse()
        .map(({ rule, detail }) => h('li', {}, h('code', {}, rule), ` ${detail}`)),
    );
    byId('violation-count').textContent = violations.length === 0 ? 'none' : String(violations.length);
    byId('violation-count').classList.toggle('bad', violations.length > 0);
  }

  renderUnknownRoutes() {
    const { unknownRoutes } = this.#store;
    byId('unknown-routes-section').hidden = unknownRoutes.length === 0;
    byId('unknown-routes').replaceChildren(...unknownRoutes.map((route) => h('li', {}, h('code', {}, route))));
  }

  #try(work) {
    work().catch((error) => this.#say(error.message));
  }

  async #do(what) {
    switch (what) {
      case 'probe': {
        const { status } = await post('/probe', {});
        return this.#say(
          status === 401
            ? 'The endpoint rejected the wrong signature with 401, as it must.'
            : `The endpoint responded to the wrong signature with status ${status}; it must respond with 401.`,
        );
      }
      case 'rate-limit':
        await post('/misbehave', { rateLimit: { route: '*', retryAfterMs: 2000 } });
        return this.#say('The next REST request of the bot gets a 429 with a retry after 2 s.');
      case 'well':
        await post('/misbehave', { reset: true });
        /** @type {HTMLSelectElement} */ (byId('slow')).value = '0';
        return this.#say('Everything works again.');
      default: {
        const [action, resumable] = what.split(':');
        return this.#gateway({ action, ...(resumable === undefined ? {} : { resumable: resumable === 'true' }) });
      }
    }
  }

  async #gateway(body) {
    const { affected } = await post('/gateway', body);
    this.#say(
      affected === 0
        ? 'No session is connected.'
        : `${affected} session${affected === 1 ? '' : 's'} affected. The table above shows how the pods recover.`,
    );
    await this.#store.refreshSessions();
  }

  async #slow(ms) {
    await post('/misbehave', { slowMs: ms });
    this.#say(ms === 0 ? 'REST responses have no delay.' : `Every REST response has a delay of ${duration(ms)}.`);
  }

  #say(text) {
    this.#status.textContent = text;
  }
}

/** The client of a session as named in its identify: a gateway pod or a library. @param {any} session */
function ownerOf(session) {
  return session.properties?.device ?? '';
}

/** The gateway pod's ordinal, or null for another client. @param {any} session */
function ordinalOf(session) {
  const ordinal = /^gateway-(\d+)$/.exec(ownerOf(session))?.[1];
  return ordinal === undefined ? null : Number(ordinal);
}
