import { byId, h } from './dom.js';

/** A command or subcommand that the user can type. */
/** @typedef {{ command: any, path: any[], label: string, description: string, options: any[], permitted: boolean }} Usage */

/** All slash commands and subcommands. @param {any[]} commands @returns {Usage[]} */
export function usagesOf(commands) {
  return commands
    .filter(({ type }) => type === 1)
    .flatMap((command) => walk(command, [], command))
    .sort((a, b) => a.label.localeCompare(b.label));
}

function walk(command, path, node) {
  const inner = (node.options ?? []).filter(({ type }) => type <= 2);
  if (inner.length > 0) return inner.flatMap((option) => walk(command, [...path, option], option));
  const label = `/${[command.name, ...path.map(({ name }) => name)].join(' ')}`;
  return [
    {
      command,
      path,
      label,
      description: node.description,
      options: node.options ?? [],
      permitted: command.permitted !== false,
    },
  ];
}

/** The list of commands above the input. The input is a combobox and keeps the focus; this is its listbox. */
export class Palette {
  #root = byId('palette');
  #input;
  #choose;
  /** @type {Usage[]} */ #usages = [];
  /** @type {Usage[]} */ #shown = [];
  #active = 0;

  /** @param {HTMLElement} input @param {(usage: Usage) => void} choose */
  constructor(input, choose) {
    this.#input = input;
    this.#choose = choose;
  }

  /** @param {any[]} commands */
  set commands(commands) {
    this.#usages = usagesOf(commands);
  }

  get open() {
    return !this.#root.hidden;
  }

  /** Shows the commands that match the input. @param {string} text */
  update(text) {
    if (!text.startsWith('/')) return this.close();
    const typed = text.slice(1).toLowerCase().trim();
    this.#shown = this.#usages.filter(({ label }) => label.slice(1).includes(typed));
    this.#shown.sort((a, b) => Number(b.label.startsWith(`/${typed}`)) - Number(a.label.startsWith(`/${typed}`)));
    this.#active = Math.max(
      0,
      this.#shown.findIndex(({ permitted }) => permitted),
    );
    this.#render();
    this.#root.hidden = false;
    this.#input.setAttribute('aria-expanded', 'true');
  }

  close() {
    this.#root.hidden = true;
    this.#input.setAttribute('aria-expanded', 'false');
    this.#input.removeAttribute('aria-activedescendant');
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the key was for the list */
  onKey(event) {
    if (!this.open) return false;
    const count = this.#shown.length;
    if (event.key === 'ArrowDown') this.#active = (this.#active + 1) % count;
    else if (event.key === 'ArrowUp') this.#active = (this.#active + count - 1) % count;
    else if (event.key === 'Escape') this.close();
    else if (event.key === 'Enter' || event.key === 'Tab') {
      const usage = this.#shown[this.#active];
      if (usage === undefined || !usage.permitted) return event.key === 'Enter';
      this.close();
      this.#choose(usage);
    } else return false;
    if (this.open) this.#render();
    return true;
  }

  #render() {
    const items = this.#shown.map((usage, index) => {
      const item = h(
        'div',
        {
          class: 'item',
          id: `usage-${index}`,
          role: 'option',
          'aria-selected': String(index === this.#active),
          'aria-disabled': usage.permitted ? null : 'true',
        },
        h(
          'span',
          { class: 'usage' },
          usage.label,
          ...usage.options.map(({ name, required }) =>
            h('span', { class: `parameter${required ? '' : ' optional'}` }, name),
          ),
        ),
        h('span', { class: 'description' }, usage.permitted ? usage.description : 'This user may not use this command'),
      );
      item.addEventListener('pointerdown', (event) => {
        event.preventDefault();
        if (!usage.permitted) return;
        this.close();
        this.#choose(usage);
      });
      return item;
    });
    this.#root.replaceChildren(
      ...(items.length > 0 ? items : [h('div', { class: 'none' }, 'No matching command. Is the bot connected?')]),
    );
    this.#root.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
    if (items.length > 0) this.#input.setAttribute('aria-activedescendant', `usage-${this.#active}`);
  }
}
