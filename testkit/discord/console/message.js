import { badge } from './badge.js';
import { components } from './components.js';
import { avatar, h } from './dom.js';
import { markdown } from './markdown.js';

const EPHEMERAL = 64;
const LOADING = 128;

/**
 * @typedef {object} MessageView
 * @property {{ user: (id: string) => string, channel: (id: string) => string }} names
 * @property {(message: any, customId: string, values?: string[]) => void} use called when the user uses a component
 * @property {(type: number) => { value: string, label: string }[]} choices of a menu of members, roles or channels
 * @property {(message: any, anchor: Element) => void} openMenu
 */

/**
 * One message of the timeline.
 * @param {any} message as Discord's API shows it
 * @param {any[]} replies to interactions that created or changed the message
 * @param {MessageView} view
 * @param {boolean} continued whether the previous message is recent and by the same author
 */
export function messageElement(message, replies, view, continued) {
  const name = message.author.global_name ?? message.author.username;
  const flags = message.flags ?? 0;
  const time = new Date(message.timestamp);
  const menu = h(
    'button',
    {
      class: 'menu-button',
      type: 'button',
      'aria-label': `Actions for the message of ${name}`,
      'aria-haspopup': 'menu',
    },
    '⋯',
  );
  menu.addEventListener('click', () => view.openMenu(message, menu));
  const element = h(
    'article',
    { class: `message${continued ? ' continued' : ''}${flags & EPHEMERAL ? ' ephemeral' : ''}`, 'data-id': message.id },
    usedCommand(message, view),
    continued ? h('span', { class: 'gutter' }) : avatar(name, message.author.id),
    h(
      'div',
      { class: 'body' },
      continued
        ? null
        : h(
            'header',
            {},
            h('span', { class: 'author' }, name),
            message.author.bot ? h('span', { class: 'app-tag' }, 'APP') : null,
            h('time', { dateTime: time.toISOString(), title: time.toLocaleString() }, clock(time)),
          ),
      flags & LOADING ? thinking() : content(message, replies, view),
      ...(message.embeds ?? []).map((embed) => embedElement(embed, view)),
      ...(message.attachments ?? []).map(attachment),
      components(message, view),
      flags & EPHEMERAL ? h('p', { class: 'only-you' }, 'Only you can see this') : null,
      replies.length === 0
        ? null
        : h(
            'p',
            { class: 'badges' },
            ...replies.slice(-3).map((reply) => badge(reply, replies.length > 1 ? commandLabel(reply) : null)),
          ),
    ),
    menu,
  );
  element.addEventListener('contextmenu', (event) => {
    event.preventDefault();
    view.openMenu(message, menu);
  });
  return element;
}

/** `Robin Otter used /warn`, above a response. */
function usedCommand(message, view) {
  const used = message.interaction_metadata ?? message.interaction;
  if (!used?.user || message.interaction?.name === undefined) return null;
  return h(
    'p',
    { class: 'used' },
    h('span', { class: 'author' }, view.names.user(used.user.id)),
    ' used ',
    h('span', { class: 'mention' }, `${used.type === 2 ? '/' : ''}${message.interaction.name}`),
  );
}

const thinking = () =>
  h(
    'p',
    { class: 'thinking' },
    h('span', { class: 'dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i')),
    'thinking …',
  );

function content(message, replies, view) {
  if (!message.content) return null;
  // The completion of a deferred response is technically an edit, but users do not see it as one.
  const deferred = replies.some(({ outcome }) => outcome === 'deferred');
  const edited = message.edited_timestamp === null || deferred ? null : h('span', { class: 'edited' }, ' (edited)');
  return h('div', { class: 'content' }, ...markdown(message.content, view.names), edited);
}

function embedElement(embed, view) {
  const element = h(
    'section',
    { class: 'embed' },
    embed.author?.name ? h('p', { class: 'embed-author' }, embed.author.name) : null,
    embed.title ? h('h3', {}, embed.title) : null,
    embed.description ? h('div', {}, ...markdown(embed.description, view.names)) : null,
    embed.fields?.length ? h('dl', {}, ...embed.fields.map((field) => embedField(field, view))) : null,
    embed.image?.url ? h('img', { src: embed.image.url, alt: '' }) : null,
    embed.footer?.text ? h('footer', {}, embed.footer.text) : null,
  );
  if (embed.color) element.style.setProperty('--embed', `#${embed.color.toString(16).padStart(6, '0')}`);
  return element;
}

function embedField(field, view) {
  return h(
    'div',
    { class: field.inline ? 'inline' : '' },
    h('dt', {}, field.name),
    h('dd', {}, ...markdown(field.value, view.names)),
  );
}

function attachment(file) {
  return file.content_type?.startsWith('image/')
    ? h('img', { class: 'attachment', src: file.url, alt: file.description ?? file.filename })
    : h('a', { class: 'attachment', href: file.url, target: '_blank' }, file.filename);
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const clock = (date) => (Date.now() - date.getTime() < 43_200_000 ? CLOCK : DAY).format(date);

/** An interaction without a message: it failed or opened a form. @param {any} notice @param {string} name the user's name */
export function noticeElement({ reply, failed }, name) {
  const label = commandLabel(reply);
  const text = failed ? `The bot did not respond to ${name}’s ${label}.` : `${label} opened a form for ${name}.`;
  return h(
    'article',
    { class: `notice${failed ? ' failed' : ''}` },
    h('p', {}, text),
    h('p', { class: 'badges' }, badge(reply)),
  );
}

/** An interaction without a response so far. */
export function pendingElement({ label }, name) {
  return h(
    'article',
    { class: 'notice pending' },
    h('p', {}, h('span', { class: 'dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i')), `${name} uses ${label}`),
  );
}

/** The name of an interaction in a sentence. @param {any} reply */
export function commandLabel(reply) {
  if (reply.type === 3) return 'button';
  if (reply.type === 5) return 'form';
  return /^[\p{Ll}\d_-]+$/u.test(reply.name) ? `/${reply.name}` : reply.name;
}
