import { debounce, h } from './dom.js';

/**
 * @typedef {object} Field
 * @property {HTMLElement} element
 * @property {HTMLElement} control gets the focus
 * @property {() => unknown} value undefined if the field is empty
 */

/**
 * The input for one option of a command.
 * @param {any} option as registered
 * @param {{ guild: any, suggest: (option: any) => Promise<{ name: string, value: unknown }[]> }} context
 * @returns {Field}
 */
export function fieldFor(option, context) {
  const { control, value, extra } = controlFor(option, context);
  control.id = `option-${option.name}`;
  control.setAttribute('aria-describedby', 'option-hint');
  if (option.required) control.required = true;
  const label = h('label', { for: control.id, class: option.required ? 'required' : '' }, option.name);
  return { element: h('div', { class: 'field' }, label, control, extra ?? null), control, value };
}

function controlFor(option, context) {
  if (option.choices?.length)
    return menu(
      option,
      option.choices.map(({ name, value }) => [value, name]),
    );
  if (option.autocomplete) return suggestions(option, context);
  switch (option.type) {
    case 4:
    case 10:
      return number(option);
    case 5:
      return menu(option, [
        [true, 'True'],
        [false, 'False'],
      ]);
    case 6:
    case 9:
      return menu(
        option,
        context.guild.users.map((user) => [
          user.id,
          user.role === 'member' ? user.displayName : `${user.displayName} (${user.role})`,
        ]),
      );
    case 7:
      return menu(
        option,
        context.guild.channels.map((channel) => [channel.id, `#${channel.name}`]),
      );
    default:
      return text(option);
  }
}

function text(option) {
  const control = h('input', { type: 'text', autocomplete: 'off' });
  if (option.max_length) control.maxLength = option.max_length;
  if (option.min_length) control.minLength = option.min_length;
  return { control, value: () => (control.value === '' ? undefined : control.value) };
}

function number(option) {
  const control = h('input', { type: 'number', step: option.type === 4 ? '1' : 'any' });
  if (option.min_value !== undefined) control.min = String(option.min_value);
  if (option.max_value !== undefined) control.max = String(option.max_value);
  return { control, value: () => (control.value === '' ? undefined : Number(control.value)) };
}

/** @param {[unknown, string][]} choices value and label */
function menu(option, choices) {
  const control = h(
    'select',
    {},
    h('option', { value: '' }, option.required ? 'Choose …' : ''),
    ...choices.map(([, label], index) => h('option', { value: String(index) }, label)),
  );
  return { control, value: () => (control.value === '' ? undefined : choices[Number(control.value)][0]) };
}

/** A text input with suggestions from the bot (autocomplete). */
function suggestions(option, context) {
  const { control, value } = text(option);
  const list = h('div', { class: 'suggestions', role: 'listbox', id: `suggestions-${option.name}`, hidden: true });
  let choices = [];
  let active = -1;
  let asked = 0;
  control.setAttribute('role', 'combobox');
  control.setAttribute('aria-autocomplete', 'list');
  control.setAttribute('aria-controls', list.id);

  const show = () => {
    list.replaceChildren(
      ...choices.map((choice, index) => {
        const item = h(
          'div',
          { role: 'option', id: `${list.id}-${index}`, 'aria-selected': String(index === active) },
          choice.name,
        );
        item.addEventListener('pointerdown', (event) => {
          event.preventDefault();
          pick(index);
        });
        return item;
      }),
    );
    list.hidden = choices.length === 0;
    control.setAttribute('aria-expanded', String(!list.hidden));
    if (active >= 0) control.setAttribute('aria-activedescendant', `${list.id}-${active}`);
    else control.removeAttribute('aria-activedescendant');
  };
  const close = () => {
    asked++;
    choices = [];
    active = -1;
    show();
  };
  const pick = (index) => {
    control.value = choices[index].name;
    control.picked = choices[index];
    close();
  };
  const ask = async () => {
    // The command may have been sent in the meantime.
    if (document.activeElement !== control) return;
    const turn = ++asked;
    const found = await context.suggest(option).catch(() => []);
    // Drops suggestions for text that has changed since.
    if (turn !== asked || document.activeElement !== control) return;
    choices = found;
    active = -1;
    show();
  };
  control.addEventListener('input', debounce(120, ask));
  control.addEventListener('focus', ask);
  control.addEventListener('blur', close);
  control.addEventListener('keydown', (event) => {
    if (list.hidden) return;
    if (event.key === 'ArrowDown') active = (active + 1) % choices.length;
    else if (event.key === 'ArrowUp') active = (active + choices.length - 1) % choices.length;
    else if ((event.key === 'Enter' || event.key === 'Tab') && active >= 0) pick(active);
    else if (event.key === 'Escape') close();
    else return;
    if (event.key !== 'Tab') {
      event.preventDefault();
      event.stopPropagation();
    }
    if (!list.hidden) show();
  });
  // The input shows the choice's name. The command gets its value.
  return {
    control,
    extra: list,
    value: () => (control.picked?.name === control.value ? control.picked.value : value()),
  };
}
