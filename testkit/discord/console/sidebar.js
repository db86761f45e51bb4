import { get } from './api.js';
import { avatar, byId, debounce, h } from './dom.js';

const SHOWN = 100;

/** The guilds with a search, the channels of the open guild, and the current user. */
export class Sidebar {
  #store;
  #list = byId('guilds');
  #search = /** @type {HTMLInputElement} */ (byId('guild-search'));
  #user = /** @type {HTMLSelectElement} */ (byId('user'));
  #found = { total: 0, guilds: [] };
  #goTo;

  /**
   * @param {import('./store.js').Store} store
   * @param {(guildId: string, channelId?: string | null, userId?: string | null) => void} goTo
   */
  constructor(store, goTo) {
    this.#store = store;
    this.#goTo = goTo;
    this.#search.addEventListener(
      'input',
      debounce(120, () => this.load()),
    );
    this.#search.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') this.#list.querySelector('button')?.click();
      if (event.key === 'ArrowDown') this.#list.querySelector('button')?.focus();
    });
    this.#list.addEventListener('keydown', (event) => this.#moveFocus(event));
    this.#user.addEventListener('change', () => goTo(store.guild.id, store.channelId, this.#user.value));
  }

  /** @returns {Promise<{ id: string }[]>} the guilds that match the search */
  async load() {
    const query = this.#search.value.trim();
    const found = await get('/guilds', { query, limit: SHOWN });
    if (query === this.#search.value.trim()) {
      this.#found = found;
      this.render();
    }
    return found.guilds;
  }

  render() {
    const { guilds, total } = this.#found;
    const focused = document.activeElement?.getAttribute('data-key');
    this.#list.replaceChildren(
      ...guilds.map((guild) => this.#guildItem(guild)),
      ...(total > guilds.length
        ? [h('li', { class: 'more' }, `${guilds.length} of ${total.toLocaleString()} shown; search for more`)]
        : []),
      ...(total === 0 ? [h('li', { class: 'more' }, 'No server has this name or id.')] : []),
    );
    if (focused) this.#list.querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
    this.#renderUsers();
  }

  #guildItem(guild) {
    const open = this.#store.guild?.id === guild.id;
    const button = h(
      'button',
      {
        type: 'button',
        class: 'guild',
        'data-key': guild.id,
        'aria-current': open ? 'true' : null,
        onclick: () => this.#goTo(guild.id),
      },
      avatar(guild.name, guild.id),
      h('span', {}, guild.name),
    );
    if (!open) return h('li', {}, button);
    const channels = this.#store.guild.channels.map((channel) => h('li', {}, this.#channelButton(channel)));
    return h(
      'li',
      { class: 'open' },
      button,
      h('ul', { class: 'channels', 'aria-label': `Channels of ${guild.name}` }, ...channels),
    );
  }

  #channelButton(channel) {
    const open = channel.id === this.#store.channelId;
    const unread = this.#store.unread.has(channel.id);
    return h(
      'button',
      {
        type: 'button',
        class: `channel${unread ? ' unread' : ''}`,
        'data-key': channel.id,
        'aria-current': open ? 'page' : null,
        onclick: () => this.#goTo(this.#store.guild.id, channel.id, this.#store.userId),
      },
      h('span', { class: 'hash', 'aria-hidden': 'true' }, '#'),
      channel.name,
      unread ? h('span', { class: 'visually-hidden' }, ', new messages') : null,
    );
  }

  #renderUsers() {
    const { guild, userId } = this.#store;
    if (guild === null) return;
    const roles = ['owner', 'admin', 'moderator', 'member'];
    this.#user.replaceChildren(
      ...roles.map((role) => {
        const users = guild.users.filter((user) => user.role === role);
        const label = role[0].toUpperCase() + role.slice(1);
        return h('optgroup', { label }, ...users.map((user) => h('option', { value: user.id }, user.displayName)));
      }),
    );
    this.#user.value = userId;
    const me = this.#store.me;
    byId('me').replaceChildren(avatar(me.displayName, me.id));
    byId('my-role').textContent = me.role;
  }

  #moveFocus(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    const buttons = [...this.#list.querySelectorAll('button')];
    const at = buttons.indexOf(document.activeElement);
    event.preventDefault();
    if (at + step < 0) this.#search.focus();
    else buttons[at + step]?.focus();
  }
}
