import { h } from './dom.js';

/**
 * Opens a menu below an element. Arrow keys move the selection. Escape closes the menu and restores the focus.
 * @param {Element} anchor
 * @param {{ label: string, hint?: string, disabled?: boolean, run: () => void }[]} items
 */
export function openMenu(anchor, items) {
  document.querySelector('.menu')?.remove();
  const menu = h('div', { class: 'menu', role: 'menu', tabIndex: -1 });
  const close = (giveFocusBack) => {
    menu.remove();
    document.removeEventListener('pointerdown', onOutside, true);
    if (giveFocusBack && anchor instanceof HTMLElement) anchor.focus();
  };
  const onOutside = (event) => {
    if (!menu.contains(event.target)) close(false);
  };
  const choose = (item) => {
    close(true);
    item.run();
  };
  menu.append(
    ...items.map((item) =>
      h(
        'button',
        {
          type: 'button',
          role: 'menuitem',
          tabIndex: -1,
          disabled: item.disabled === true,
          onclick: () => choose(item),
        },
        item.label,
        item.hint ? h('small', {}, item.hint) : null,
      ),
    ),
  );
  menu.addEventListener('keydown', (event) => {
    const buttons = [...menu.querySelectorAll('button:not(:disabled)')];
    const at = buttons.indexOf(document.activeElement);
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 };
    if (event.key in moves) buttons.at(moves[event.key] % buttons.length)?.focus();
    else if (event.key === 'Escape' || event.key === 'Tab') close(true);
    else return;
    event.preventDefault();
  });
  document.body.append(menu);
  place(menu, anchor);
  document.addEventListener('pointerdown', onOutside, true);
  menu.querySelector('button:not(:disabled)')?.focus();
}

/** Places the menu below the anchor, inside the window. */
function place(menu, anchor) {
  const at = anchor.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  menu.style.left = `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`;
  menu.style.top = `${at.bottom + height + 8 > innerHeight ? Math.max(8, at.top - height - 4) : at.bottom + 4}px`;
}
