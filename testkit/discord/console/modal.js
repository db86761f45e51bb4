import { badge } from './badge.js';
import { h } from './dom.js';
import { markdown } from './markdown.js';

/**
 * Shows a modal and calls `submit` with what was filled in.
 * @param {any} data the modal as in Discord's response
 * @param {any} reply of the interaction that opened it
 * @param {import('./message.js').MessageView} view
 * @param {(fields: Record<string, string | string[]>) => void} submit
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
  const control = inner.type === 4 ? textInput(inner) : menuInput(inner, view);
  inputs.push({ id: inner.custom_id, value: () => answerOf(control) });
  return h(
    'label',
    {},
    h(
      'span',
      { class: 'label' },
      row.label ?? inner.label,
      inner.required === false ? null : h('span', { class: 'required', 'aria-hidden': 'true' }, ' *'),
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

const answerOf = (control) =>
  control instanceof HTMLSelectElement ? [...control.selectedOptions].map(({ value }) => value) : control.value;
