import { byId, h } from './dom.js';
import { fieldFor } from './fields.js';
import { Palette } from './palette.js';

/** The input for messages and, after a slash, for commands with their options. */
export class Composer {
  #store;
  #onError;
  #send;
  #input = /** @type {HTMLInputElement} */ (byId('text'));
  #talk = byId('talk');
  #form = /** @type {HTMLFormElement} */ (byId('command'));
  #hint = byId('option-hint');
  #palette;
  /** @type {{ usage: any, fields: Map<string, import('./fields.js').Field> } | null} */
  #command = null;

  /**
   * @param {import('./store.js').Store} store
   * @param {(usage: any, options: object) => Promise<void>} send sends a command
   * @param {(error: Error) => void} onError
   */
  constructor(store, send, onError) {
    this.#store = store;
    this.#send = send;
    this.#onError = onError;
    this.#palette = new Palette(this.#input, (usage) => this.#open(usage));
    this.#input.addEventListener('input', () => this.#palette.update(this.#input.value));
    this.#input.addEventListener('blur', () => this.#palette.close());
    this.#input.addEventListener('keydown', (event) => {
      if (this.#palette.onKey(event)) event.preventDefault();
    });
    this.#talk.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#say();
    });
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#form.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#close();
      // Enter submits, as in every other field. The space bar or the arrow keys open the menu.
      if (event.key === 'Enter' && event.target instanceof HTMLSelectElement) {
        event.preventDefault();
        this.#form.requestSubmit();
      }
    });
  }

  /** Updates the input after a change of the channel or its commands. */
  refresh() {
    this.#palette.commands = this.#store.commands;
    this.#input.placeholder = `Message #${this.#store.channel.name}, or / for a command`;
    this.#input.setAttribute('aria-label', `Message #${this.#store.channel.name}`);
  }

  focus() {
    (this.#command === null ? this.#input : this.#form.querySelector('input, select, button'))?.focus();
  }

  /** Discards a command that was not sent, because it belongs to the previous channel. */
  reset() {
    if (this.#command !== null) this.#close();
  }

  async #say() {
    const text = this.#input.value.trim();
    if (text === '' || text.startsWith('/')) return;
    this.#input.value = '';
    await this.#store.say(text).catch(this.#onError);
  }

  #open(usage) {
    this.#input.value = '';
    this.#command = { usage, fields: new Map() };
    const optional = usage.options.filter(({ required }) => !required);
    const more = h('div', { class: 'more-options' }, ...optional.map((option) => this.#optionalButton(option)));
    this.#form.replaceChildren(
      h('span', { class: 'usage' }, usage.label),
      h('div', { class: 'fields' }),
      more,
      h('button', { type: 'submit', class: 'button primary' }, 'Send'),
      h(
        'button',
        { type: 'button', class: 'button secondary', 'aria-label': 'Cancel the command', onclick: () => this.#close() },
        '✕',
      ),
    );
    for (const option of usage.options) if (option.required) this.#addField(option);
    this.#hint.textContent = usage.description;
    this.#form.hidden = false;
    this.#hint.hidden = false;
    this.#talk.hidden = true;
    (this.#form.querySelector('.field input, .field select') ?? this.#form.querySelector('[type="submit"]')).focus();
  }

  #optionalButton(option) {
    const button = h(
      'button',
      { type: 'button', class: 'add', 'aria-label': `Add the option ${option.name}` },
      `+ ${option.name}`,
    );
    button.addEventListener('click', () => {
      button.remove();
      this.#addField(option).control.focus();
    });
    return button;
  }

  #addField(option) {
    const field = fieldFor(option, {
      guild: this.#store.guild,
      suggest: () =>
        this.#store.suggest({ name: this.#command.usage.command.name, options: this.#options(), focused: option.name }),
    });
    field.control.addEventListener('focus', () => {
      this.#hint.textContent = option.description;
    });
    this.#command.fields.set(option.name, field);
    this.#form.querySelector('.fields').append(field.element);
    return field;
  }

  /** The values of the form, nested in their subcommands. */
  #options() {
    const { usage, fields } = this.#command;
    const given = [...fields].map(([name, field]) => [name, field.value()]).filter(([, value]) => value !== undefined);
    return usage.path.reduceRight((inner, { name }) => ({ [name]: inner }), Object.fromEntries(given));
  }

  async #submit() {
    const { usage } = this.#command;
    const options = this.#options();
    this.#close();
    await this.#send(usage, options).catch(this.#onError);
  }

  #close() {
    this.#command = null;
    this.#form.hidden = true;
    this.#hint.hidden = true;
    this.#talk.hidden = false;
    this.#input.focus();
  }
}
