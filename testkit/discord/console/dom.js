/**
 * Creates an element. `class` and names with a hyphen become attributes, `on…` adds a listener, other names become properties.
 * Children that are null or false are skipped. Text is never parsed as HTML.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [props]
 * @param {...(Node | string | number | null | false | undefined)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (name === 'class' || name === 'role' || name === 'for' || name.includes('-')) {
      element.setAttribute(name, String(value));
    } else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map(asNode));
  return element;
}

/** @param {Node | string | number} child */
const asNode = (child) => (child instanceof Node ? child : String(child));

/** The element with an id. @param {string} id */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}

/** Calls `work` once, `ms` after the last call. @param {number} ms @param {() => void} work */
export function debounce(ms, work) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, ms);
  };
}

/** Distinct from each other and from the colours for good, late and bad. */
const POD_HUES = [225, 190, 285, 325, 255, 160, 305, 205];

/** The hue of a gateway pod. @param {number} ordinal */
export function hueOfPod(ordinal) {
  return POD_HUES[ordinal % POD_HUES.length];
}

/** A stable hue for an id. @param {string} key */
export function hueOf(key) {
  let hash = 7;
  for (const char of key) hash = (hash * 31 + char.charCodeAt(0)) % 9973;
  return (hash * 47) % 360;
}

/** The first letters of up to two words. @param {string} name */
export function initials(name) {
  return name
    .split(/[\s._-]+/)
    .filter(Boolean)
    .slice(0, 2)
    .map((word) => [...word][0].toUpperCase())
    .join('');
}

/** A round or square badge with initials. @param {string} name @param {string} key */
export function avatar(name, key) {
  const badge = h('span', { class: 'avatar', 'aria-hidden': 'true' }, initials(name) || '?');
  badge.style.setProperty('--hue', String(hueOf(key)));
  return badge;
}
