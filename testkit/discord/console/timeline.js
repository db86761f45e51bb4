import { h } from './dom.js';
import { messageElement, noticeElement, pendingElement } from './message.js';
import { byAge } from './store.js';

const TOGETHER_MS = 5 * 60_000;

/** Renders the store's entries and replaces only elements that changed. */
export class Timeline {
  #root;
  #store;
  #view;
  /** @type {Map<string, { element: HTMLElement, key: unknown[] }>} */
  #shown = new Map();

  /**
   * @param {HTMLElement} root
   * @param {import('./store.js').Store} store
   * @param {import('./message.js').MessageView} view
   */
  constructor(root, store, view) {
    this.#root = root;
    this.#store = store;
    this.#view = view;
  }

  render() {
    const atEnd = this.#root.scrollHeight - this.#root.scrollTop - this.#root.clientHeight < 80;
    const entries = [...this.#store.entries.values()].sort((a, b) => orderOf(a, b));
    const next = new Map();
    let previous = null;
    for (const entry of entries) {
      const continued = isContinued(previous, entry);
      const replies = this.#store.replies.get(entry.id) ?? [];
      const key = [
        entry.message,
        continued,
        entry.notice?.reply.completedMs,
        ...replies,
        ...replies.map((reply) => reply.completedMs),
      ];
      const old = this.#shown.get(entry.id);
      const same = old !== undefined && key.length === old.key.length && key.every((part, i) => part === old.key[i]);
      next.set(entry.id, same ? old : { element: this.#element(entry, replies, continued), key });
      previous = entry;
    }
    this.#replace(next);
    if (atEnd) this.scrollToEnd();
  }

  scrollToEnd() {
    this.#root.scrollTop = this.#root.scrollHeight;
  }

  #element(entry, replies, continued) {
    const name = (id) => this.#view.names.user(id);
    if (entry.pending) return pendingElement(entry.pending, name(entry.pending.userId));
    if (entry.notice) return noticeElement(entry.notice, name(entry.notice.reply.userId));
    return messageElement(entry.message, replies, this.#view, continued);
  }

  #replace(next) {
    const focused = this.#focusedControl();
    const list = [...next.values()].map(({ element }) => element);
    if (list.length === 0)
      list.push(h('p', { class: 'empty' }, 'No messages yet. Write something, or type / to use a command.'));
    for (const child of [...this.#root.children]) if (!list.includes(child)) child.remove();
    list.forEach((element, index) => {
      if (this.#root.children[index] !== element) this.#root.insertBefore(element, this.#root.children[index] ?? null);
    });
    this.#shown = next;
    // Restores the focus after its message was replaced, so that a user can press ▶ again without the mouse.
    if (focused !== null && !document.contains(focused.element)) this.#focusAgain(focused);
  }

  #focusedControl() {
    const element = document.activeElement;
    const message = element?.closest?.('.message');
    if (!message || !this.#root.contains(message)) return null;
    const controls = [...message.querySelectorAll('button, select')];
    return { element, messageId: message.dataset.id, index: controls.indexOf(element) };
  }

  #focusAgain({ messageId, index }) {
    const element = this.#shown.get(messageId)?.element;
    const controls = element === undefined ? [] : [...element.querySelectorAll('button, select')];
    const control = controls[index]?.disabled ? controls.find((one) => !one.disabled) : controls[index];
    control?.focus({ preventScroll: true });
  }
}

/** Orders by age, with pending interactions last. */
function orderOf(a, b) {
  if (a.pending || b.pending) return (a.pending ? 1 : 0) - (b.pending ? 1 : 0);
  return byAge(a.id, b.id);
}

function isContinued(previous, entry) {
  const before = previous?.message;
  const message = entry.message;
  if (!before || !message || message.interaction_metadata || before.author.id !== message.author.id) return false;
  if (((before.flags ?? 0) | (message.flags ?? 0)) & 64) return false;
  return Date.parse(message.timestamp) - Date.parse(before.timestamp) < TOGETHER_MS;
}
