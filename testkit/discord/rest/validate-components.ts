import type { FormErrors } from './errors.ts';

type Component = Readonly<Record<string, unknown>>;

const BUTTON = 2;
const ACTION_ROW: readonly number[] = [BUTTON, 3, 5, 6, 7, 8];
const CONTAINER: readonly number[] = [1, 9, 10, 12, 13, 14];
const MAX_COMPONENTS = 40;
const MAX_TEXT = 4000;

/** The allowed component types by kind of form. */
const LEGACY_MESSAGE: readonly number[] = [1];
const V2_MESSAGE: readonly number[] = [...CONTAINER, 17];
const MODAL: readonly number[] = [1, 10, 18];
const LABEL: readonly number[] = [3, 4, 5, 6, 7, 8, 19, 21, 22, 23];

/** Checks the components of a message. @param path of the list, such as `data.components` */
export function checkMessageComponents(errors: FormErrors, path: string, value: unknown, v2: boolean): void {
  const check = new ComponentCheck(errors);
  errors.list(path, value, 0, v2 ? MAX_COMPONENTS : 5).forEach((one, index) => {
    check.component(`${path}.${index}`, one, v2 ? V2_MESSAGE : LEGACY_MESSAGE);
  });
  if (check.count > MAX_COMPONENTS) {
    errors.add(path, 'COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED', `Cannot have more than ${MAX_COMPONENTS} components`);
  }
  if (check.text > MAX_TEXT) {
    const message = `Components displayable text size exceeds maximum size of ${MAX_TEXT}`;
    errors.add(path, 'COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED', message);
  }
}

/** Checks the components of a modal. */
export function checkModalComponents(errors: FormErrors, path: string, value: unknown): void {
  const check = new ComponentCheck(errors);
  errors.list(path, value, 1, 5).forEach((one, index) => {
    check.component(`${path}.${index}`, one, MODAL, [4]);
  });
}

class ComponentCheck {
  readonly #errors: FormErrors;
  readonly #customIds = new Set<unknown>();
  /** The number of components so far, at all depths. */
  count = 0;
  /** The number of characters in text displays so far. */
  text = 0;

  constructor(errors: FormErrors) {
    this.#errors = errors;
  }

  /** @param inRow the types that an action row may contain here */
  component(path: string, one: Component, allowed: readonly number[], inRow: readonly number[] = ACTION_ROW): void {
    const { type } = one;
    if (typeof type !== 'number' || !allowed.includes(type)) {
      const choices = allowed.length === 1 ? `(${allowed[0]},)` : `(${allowed.join(', ')})`;
      this.#errors.add(path, 'UNION_TYPE_CHOICES', `Value of field "type" must be one of ${choices}.`);
      return;
    }
    this.count++;
    this.#fields(path, one, type, inRow[0] === 4);
    if (type === 1) this.#children(path, one.components, inRow, 1, 5);
    else if (type === 17) this.#children(path, one.components, CONTAINER, 1, MAX_COMPONENTS);
    else if (type === 9) {
      this.#children(path, one.components, [10], 1, 3);
      this.#child(`${path}.accessory`, one.accessory, [BUTTON, 11]);
    } else if (type === 18) this.#child(`${path}.component`, one.component, LABEL);
  }

  #children(path: string, value: unknown, allowed: readonly number[], min: number, max: number): void {
    this.#errors.list(`${path}.components`, value, min, max).forEach((child, index) => {
      this.component(`${path}.components.${index}`, child, allowed);
    });
  }

  #child(path: string, value: unknown, allowed: readonly number[]): void {
    if (value === null || typeof value !== 'object') this.#errors.required(path);
    else this.component(path, value as Component, allowed);
  }

  #fields(path: string, one: Component, type: number, inModalRow: boolean): void {
    const errors = this.#errors;
    switch (type) {
      case BUTTON:
        this.#button(path, one);
        return;
      case 3:
        this.#options(path, one, 1, 25);
        break;
      case 4:
        if (inModalRow) errors.text(`${path}.label`, one.label, 1, 45);
        break;
      case 10:
        errors.text(`${path}.content`, one.content, 1, MAX_TEXT);
        this.text += String(one.content ?? '').length;
        return;
      case 12:
        errors.list(`${path}.items`, one.items, 1, 10).forEach((item, index) => {
          if (item.media === undefined) errors.required(`${path}.items.${index}.media`);
        });
        return;
      case 18:
        errors.text(`${path}.label`, one.label, 1, 45);
        if (one.description !== undefined) errors.text(`${path}.description`, one.description, 0, 100);
        return;
      case 21:
        this.#options(path, one, 2, 10);
        break;
      case 22:
        this.#options(path, one, 1, 10);
        break;
      default:
        if (!INTERACTIVE.includes(type)) return;
    }
    this.#customId(path, one);
  }

  #button(path: string, one: Component): void {
    const errors = this.#errors;
    const isPremium = one.style === 6;
    if (one.label !== undefined) errors.text(`${path}.label`, one.label, 0, 80);
    else if (one.emoji === undefined && !isPremium) {
      errors.add(path, 'BUTTON_COMPONENT_INVALID', 'A button must have a label or an emoji');
    }
    if (one.style === 5) {
      if (typeof one.url !== 'string') errors.required(`${path}.url`);
    } else if (!isPremium) this.#customId(path, one);
  }

  #options(path: string, one: Component, min: number, max: number): void {
    const errors = this.#errors;
    const values = new Set<unknown>();
    errors.list(`${path}.options`, one.options, min, max).forEach((option, index) => {
      errors.text(`${path}.options.${index}.label`, option.label, 1, 100);
      errors.text(`${path}.options.${index}.value`, option.value, 1, 100);
      if (values.has(option.value)) {
        const message = 'The specified option value is already used';
        errors.add(`${path}.options.${index}.value`, 'SELECT_COMPONENT_OPTION_VALUE_DUPLICATED', message);
      }
      values.add(option.value);
    });
  }

  #customId(path: string, one: Component): void {
    const at = `${path}.custom_id`;
    this.#errors.text(at, one.custom_id, 1, 100);
    if (this.#customIds.has(one.custom_id)) {
      this.#errors.add(at, 'COMPONENT_CUSTOM_ID_DUPLICATED', 'Component custom id cannot be duplicated');
    }
    this.#customIds.add(one.custom_id);
  }
}

/** Further types: menus of users, roles, mentionables and channels, file uploads, check boxes. */
const INTERACTIVE: readonly number[] = [5, 6, 7, 8, 19, 23];
