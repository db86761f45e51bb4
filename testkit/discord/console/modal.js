import { badge } from './badge.js';
import { h } from './dom.js';
import { markdown } from './markdown.js';

/**
 * Shows a modal and calls `submit` with the entered values.
 * @param {any} data the modal as in Discord's response
 * @param {any} reply of the interaction that opened it
 * @param {import('./message.js').MessageView} view
 * @param {(fields: Record<string, string | boolean | string[]>) => void} submit
 */
export function openModal(data, reply, view, submit) {
  const inputs = [];
  const rows = data.components.map((row) => modalRow(row, inputs, view));
  const form = h(
    'form',
    { method: 'dialog' },
    h('h2', { id: 'modal-title' }, data.title),
    ...rows,
    h(
      'footer',
      {},
      h('button', { type: 'button', class: 'button secondary', onclick: () => dialog.close() }, 'Cancel'),
      h('button', { type: 'submit', class: 'button primary' }, 'Submit'),
    ),
    h('p', { class: 'badges' }, badge(reply)),
  );
  const dialog = h('dialog', { class: 'modal', 'aria-labelledby': 'modal-title' }, form);
  form.addEventListener('submit', () => submit(Object.fromEntries(inputs.map(({ id, value }) => [id, value()]))));
  form.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector('input, textarea, select')?.focus();
}

function modalRow(row, inputs, view) {
  if (row.type === 10) return h('div', { class: 'content' }, ...markdown(row.content, view.names));
  const inner = row.type === 18 ? row.component : row.components[0];
  const { control, value } = inputFor(inner, view);
  inputs.push({ id: inner.custom_id, value });
  // In a group of radio buttons or check boxes, each has its own label.
  const isGroup = inner.type === 21 || inner.type === 22;
  return h(
    isGroup ? 'fieldset' : 'label',
    {},
    h(
      isGroup ? 'legend' : 'span',
      { class: 'label' },
      row.label ?? inner.label,
      inner.required === false || inner.type === 23
        ? null
        : h('span', { class: 'required', 'aria-hidden': 'true' }, ' *'),
    ),
    row.description ? h('span', { class: 'hint' }, row.description) : null,
    control,
  );
}

function textInput(inner) {
  const control = inner.style === 2 ? h('textarea', { rows: 4 }) : h('input', { type: 'text' });
  control.name = inner.custom_id;
  control.required = inner.required !== false;
  control.placeholder = inner.placeholder ?? '';
  control.value = inner.value ?? '';
  if (inner.min_length) control.minLength = inner.min_length;
  if (inner.max_length) control.maxLength = inner.max_length;
  return control;
}

function menuInput(inner, view) {
  const options = inner.type === 3 ? inner.options : view.choices(inner.type);
  return h(
    'select',
    { name: inner.custom_id, multiple: (inner.max_values ?? 1) > 1, required: inner.required !== false },
    ...options.map((option) => h('option', { value: option.value, selected: option.default === true }, option.label)),
  );
}

/** The control for a component of a modal, and a function that returns its value in the form of the component's type. */
function inputFor(inner, view) {
  switch (inner.type) {
    case 4: {
      const control = textInput(inner);
      return { control, value: () => control.value };
    }
    case 19: {
      const control = h('input', { type: 'file', name: inner.custom_id, multiple: (inner.max_values ?? 1) > 1 });
      control.required = inner.required !== false;
      // The bot gets the file names only. The console does not send the files.
      return { control, value: () => [...control.files].map(({ name }) => name) };
    }
    case 21:
    case 22:
      return choiceGroup(inner);
    case 23: {
      const control = h('input', { type: 'checkbox', name: inner.custom_id });
      control.checked = inner.default === true;
      return { control, value: () => control.checked };
    }
    default: {
      const control = menuInput(inner, view);
      return { control, value: () => [...control.selectedOptions].map(({ value }) => value) };
    }
  }
}

/** A group of radio buttons or check boxes. */
function choiceGroup(inner) {
  const type = inner.type === 21 ? 'radio' : 'checkbox';
  const boxes = inner.options.map((option) => {
    const box = h('input', { type, name: inner.custom_id, value: option.value });
    box.checked = option.default === true;
    // Browsers can require a choice in a radio group, but not in a group of check boxes.
    box.required = type === 'radio' && inner.required !== false;
    return box;
  });
  const rows = inner.options.map((option, index) =>
    h(
      'label',
      { class: 'choice' },
      boxes[index],
      h('span', {}, option.label, option.description ? h('span', { class: 'hint' }, option.description) : null),
    ),
  );
  const chosen = () => boxes.filter(({ checked }) => checked).map(({ value }) => value);
  return { control: h('div', { class: 'choices' }, ...rows), value: chosen };
}
