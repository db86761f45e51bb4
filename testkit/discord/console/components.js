import { h } from './dom.js';
import { markdown } from './markdown.js';

const BUTTON_STYLES = { 1: 'primary', 2: 'secondary', 3: 'success', 4: 'danger', 5: 'link' };
const SELECT_PLACEHOLDERS = {
  3: 'Choose',
  5: 'Choose a member',
  6: 'Choose a role',
  7: 'Choose a member or role',
  8: 'Choose a channel',
};

/**
 * The buttons, menus and layout of a message.
 * @param {any} message
 * @param {import('./message.js').MessageView} view
 */
export function components(message, view) {
  if (!message.components?.length) return null;
  return h('div', { class: 'components' }, ...message.components.map((one) => component(one, message, view)));
}

function component(one, message, view) {
  const children = () => (one.components ?? []).map((child) => component(child, message, view));
  switch (one.type) {
    case 1:
      return h('div', { class: 'row' }, ...children());
    case 2:
      return button(one, message, view);
    case 3:
    case 5:
    case 6:
    case 7:
    case 8:
      return select(one, message, view);
    case 9:
      return h(
        'div',
        { class: 'section' },
        h('div', {}, ...children()),
        one.accessory ? component(one.accessory, message, view) : null,
      );
    case 10:
      return h('div', { class: 'content' }, ...markdown(one.content, view.names));
    case 14:
      return h('hr');
    case 17:
      return h('section', { class: 'embed' }, ...children());
    default:
      return h('p', { class: 'only-you' }, `(component of type ${one.type})`);
  }
}

function button(one, message, view) {
  const label = [one.emoji?.name, one.label].filter(Boolean).join(' ');
  const style = BUTTON_STYLES[one.style] ?? 'secondary';
  if (one.style === 5)
    return h('a', { class: `button ${style}`, href: one.url, target: '_blank', rel: 'noreferrer' }, label);
  const element = h(
    'button',
    { class: `button ${style}`, type: 'button', disabled: one.disabled === true, 'data-custom-id': one.custom_id },
    label,
  );
  if (SPOKEN[label] !== undefined) element.setAttribute('aria-label', SPOKEN[label]);
  element.addEventListener('click', () => view.use(message, one.custom_id));
  return element;
}

/** Labels for screen readers in place of symbols. */
const SPOKEN = { '◀': 'Previous page', '▶': 'Next page' };

function select(one, message, view) {
  const multiple = (one.max_values ?? 1) > 1;
  const options = one.type === 3 ? one.options : view.choices(one.type);
  const element = h(
    'select',
    {
      'aria-label': one.placeholder ?? SELECT_PLACEHOLDERS[one.type],
      disabled: one.disabled === true,
      multiple,
      'data-custom-id': one.custom_id,
    },
    multiple
      ? null
      : h('option', { value: '', disabled: true, selected: true }, one.placeholder ?? SELECT_PLACEHOLDERS[one.type]),
    ...options.map((option) => h('option', { value: option.value, selected: option.default === true }, option.label)),
  );
  const send = () =>
    view.use(message, one.custom_id, [...element.selectedOptions].map(({ value }) => value).filter(Boolean));
  // In a multiple select, the choice is complete when the menu loses the focus.
  element.addEventListener(multiple ? 'blur' : 'change', send);
  return element;
}
