import { ClusterPanel } from './cluster.js';
import { Composer } from './composer.js';
import { byId } from './dom.js';
import { openMenu } from './menu.js';
import { openModal } from './modal.js';
import { Panel } from './panel.js';
import { Sidebar } from './sidebar.js';
import { Store } from './store.js';
import { Timeline } from './timeline.js';

const store = new Store();
const panel = new Panel(store);
const cluster = new ClusterPanel(showError);

/** @param {Error} error */
function showError(error) {
  byId('toast').textContent = error.message;
  byId('toast').hidden = false;
  clearTimeout(showError.timer);
  showError.timer = setTimeout(() => {
    byId('toast').hidden = true;
  }, 6000);
}

/** Sends an interaction and opens the modal if the bot responds with one. */
async function interact(kind, label, input) {
  const waiting = store.interact(kind, label, input);
  if (kind !== 'components') timeline.scrollToEnd();
  const reply = await waiting;
  if (kind !== 'components') timeline.scrollToEnd();
  if (reply.modal === null) return;
  openModal(reply.modal, reply, view, (fields) => {
    interact('modals', `the form “${reply.modal.title}”`, { customId: reply.modal.custom_id, fields }).catch(showError);
  });
}

const users = () => store.guild.users.map((user) => ({ value: user.id, label: user.displayName }));
const channels = () => store.guild.channels.map((channel) => ({ value: channel.id, label: `#${channel.name}` }));

/** The callbacks that messages use. */
const view = {
  names: {
    user: (id) => store.user(id)?.displayName ?? id,
    channel: (id) => store.guild.channels.find((channel) => channel.id === id)?.name ?? id,
  },
  /** The options of a menu of members (5, 7) or channels (8). */
  choices: (type) => (type === 8 ? channels() : type === 6 ? [] : users()),
  use(message, customId, values) {
    interact('components', 'a button', {
      messageId: message.id,
      customId,
      ...(values === undefined ? {} : { values }),
    }).catch(showError);
  },
  openMenu(message, anchor) {
    const apps = store.commands.filter(({ type }) => type === 2 || type === 3);
    openMenu(anchor, [
      ...apps.map((command) => ({
        label: command.name,
        hint: command.type === 3 ? 'message' : 'author',
        disabled: command.permitted === false,
        run: () => {
          const targetId = command.type === 3 ? message.id : message.author.id;
          interact('commands', command.name, { name: command.name, type: command.type, targetId }).catch(showError);
        },
      })),
      { label: 'Copy message id', run: () => navigator.clipboard.writeText(message.id).catch(showError) },
    ]);
  },
};

const timeline = new Timeline(byId('timeline'), store, view);
const composer = new Composer(
  store,
  (usage, options) => interact('commands', usage.label, { name: usage.command.name, type: 1, options }),
  showError,
);
const sidebar = new Sidebar(store, (guildId, channelId, userId) => {
  byId('app').classList.remove('show-sidebar');
  goTo(guildId, channelId, userId).then(() => {
    // Keeps the focus for a user who selects with the arrow keys.
    if (document.activeElement?.id !== 'user') composer.focus();
  }, showError);
});

async function goTo(guildId, channelId, userId) {
  await store.goTo(guildId, channelId, userId);
  composer.reset();
  timeline.scrollToEnd();
}

store.on('place', () => {
  const { guild, channel, userId } = store;
  byId('guild-name').textContent = guild.name;
  byId('channel-name').textContent = `#${channel.name}`;
  document.title = `#${channel.name} · ${guild.name} · Guildway console`;
  const page = byId('guild-page');
  page.hidden = store.info.interactionsUrl === null;
  if (!page.hidden) page.href = new URL(`/app/${guild.id}`, store.info.interactionsUrl).href;
  history.replaceState(null, '', `#${guild.id}/${channel.id}/${userId}`);
  sidebar.render();
});
store.on('commands', () => composer.refresh());
store.on('messages', () => timeline.render());
store.on('interactions', () => panel.renderInteractions());
store.on('sessions', () => panel.renderSessions());
store.on('violations', () => panel.renderViolations());
store.on('unknownRoutes', () => panel.renderUnknownRoutes());
store.on('connection', () => {
  byId('offline').hidden = store.connected;
});

for (const side of ['sidebar', 'panel']) {
  byId(`toggle-${side}`).addEventListener('click', () => {
    const app = byId('app');
    const shown = app.classList.toggle(`show-${side}`);
    app.classList.remove(side === 'sidebar' ? 'show-panel' : 'show-sidebar');
    byId(`toggle-${side}`).setAttribute('aria-expanded', String(shown));
  });
}
document.addEventListener('keydown', (event) => {
  const typing = event.target instanceof Element && event.target.closest('input, select, textarea, dialog, .menu');
  if (event.key === '/' && !typing) composer.focus();
  if (event.key === 'k' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    byId('guild-search').focus();
  }
});

try {
  await store.start();
  cluster.start();
  const guilds = await sidebar.load();
  const [guildId, channelId, userId] = location.hash.slice(1).split('/');
  const known =
    guildId !== '' &&
    (await goTo(guildId, channelId, userId).then(
      () => true,
      () => false,
    ));
  if (!known && guilds[0] !== undefined) await goTo(guilds[0].id);
  composer.focus();
  byId('app').removeAttribute('aria-busy');
} catch (error) {
  showError(error);
}
// Updates the event counts in the table of sessions.
setInterval(() => store.refreshSessions().catch(() => {}), 5000);
