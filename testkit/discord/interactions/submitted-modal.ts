import { ComponentType } from 'discord-api-types/v10';
import { numberComponents } from '../store/message-builder.ts';
import type { FieldInput, ModalInput } from './input.ts';
import type { Resolved } from './resolved.ts';

type Component = Readonly<Record<string, unknown>>;

/**
 * The components of a submitted modal in Discord's form: the rows, labels and texts of the modal with the entered values.
 * @param modal the components of the open modal; undefined creates a row with a text input for each field
 */
export function submittedComponents(modal: unknown, fields: ModalInput['fields'], resolved: Resolved): object[] {
  const components = Array.isArray(modal) ? modal : rowsFor(fields);
  return (numberComponents(components) as Component[]).map(({ id, type, component, components: inner }) => ({
    id,
    type,
    ...(component === undefined ? {} : { component: submitted(component as Component, fields, resolved) }),
    ...(Array.isArray(inner) ? { components: inner.map((one) => submitted(one, fields, resolved)) } : {}),
  }));
}

function rowsFor(fields: ModalInput['fields']): Component[] {
  return Object.keys(fields).map((custom_id) => ({ type: 1, components: [{ type: 4, custom_id }] }));
}

function submitted(component: Component, fields: ModalInput['fields'], resolved: Resolved): object {
  const { id, type, custom_id } = component;
  return { id, type, custom_id, ...entered(component, fields[String(custom_id)], resolved) };
}

/** The entered value in the form of the component's type. */
function entered(component: Component, given: FieldInput | undefined, resolved: Resolved): object {
  switch (component.type) {
    case ComponentType.TextInput:
      return { value: typeof given === 'string' ? given : (component.value ?? '') };
    case ComponentType.FileUpload:
      return { values: listOf(given, []).map((file) => resolved.attachment(file)) };
    case ComponentType.RadioGroup:
      return { value: listOf(given, defaultsOf(component))[0] ?? null };
    case ComponentType.Checkbox:
      return { value: given === undefined ? component.default === true : given === true || given === 'true' };
    default: {
      const values = listOf(given, defaultsOf(component)).map(String);
      resolved.selected(component.type, values);
      return { values };
    }
  }
}

function listOf<T>(given: FieldInput | undefined, fallback: readonly T[]) {
  if (given === undefined) return fallback as readonly string[];
  if (typeof given === 'boolean') return [String(given)];
  return typeof given === 'string' ? (given === '' ? [] : [given]) : given;
}

/** The values that are selected by default. */
function defaultsOf(component: Component): string[] {
  const options = (component.options ?? []) as readonly Component[];
  const preset = (component.default_values ?? []) as readonly { readonly id: string }[];
  return [
    ...options.filter((one) => one.default === true).map(({ value }) => String(value)),
    ...preset.map(({ id }) => id),
  ];
}
