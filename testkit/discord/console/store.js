import { get, listen, post } from './api.js';

/**
 * The state of the page. Only this class changes it. Listeners subscribe to a kind of change:
 * `place` (guild, channel or user), `messages`, `commands`, `interactions`, `sessions`, `violations`, `unknownRoutes`, `connection`.
 */
export class Store {
  /** @type {any} */ info = null;
  /** The guild as `GET /guilds/:guild` describes it. @type {any} */ guild = null;
  /** @type {string | null} */ channelId = null;
  /** @type {string | null} */ userId = null;
  /** @type {any[]} */ commands = [];
  /** Entries of the timeline by id: messages, and notices for interactions without one. @type {Map<string, any>} */ entries =
    new Map();
  /** Replies by the message that they created or changed. @type {Map<string, any[]>} */ replies = new Map();
  /** Newest first. @type {any[]} */ interactions = [];
  /** @type {any[]} */ sessions = [];
  /** @type {any[]} */ violations = [];
  /** Routes that the bot requested and that are not simulated. @type {string[]} */ unknownRoutes = [];
  connected = true;
  /** Channels of this guild with unread messages. @type {Set<string>} */ unread = new Set();
  #listeners = new Map();
  #place = 0;

  /** @param {string} kind @param {() => void} listener */
  on(kind, listener) {
    this.#listeners.set(kind, [...(this.#listeners.get(kind) ?? []), listener]);
  }

  /** @param {string} kind */
  #changed(kind) {
    for (const listener of this.#listeners.get(kind) ?? []) listener();
  }

  async start() {
    this.info = await get('/info');
    for (const reply of (await get('/interactions')).reverse()) this.#remember(reply);
    this.violations = await get('/violations');
    this.unknownRoutes = Object.keys((await get('/stats')).unknownRoutes);
    await this.refreshSessions();
    let wasConnected = true;
    listen(
      (event) => this.#onEvent(event),
      (connected) => {
        // Fetches what the page missed while it was disconnected.
        if (connected && !wasConnected) this.#reload().catch(() => {});
        wasConnected = connected;
        this.connected = connected;
        this.#changed('connection');
      },
    );
    this.#changed('interactions');
    this.#changed('violations');
    this.#changed('unknownRoutes');
  }

  async #reload() {
    await this.refreshSessions();
    if (this.guild !== null) await this.goTo(this.guild.id, this.channelId, this.userId);
  }

  /**
   * Opens a channel. Defaults: the first channel, and a user who may moderate.
   * @param {string} guildId @param {string | null} [channelId] @param {string | null} [userId]
   */
  async goTo(guildId, channelId = null, userId = null) {
    const place = ++this.#place;
    const guild = this.guild?.id === guildId ? this.guild : await get(`/guilds/${guildId}`);
    const user =
      guild.users.find(({ id }) => id === userId) ??
      guild.users.find(({ role }) => role === 'moderator') ??
      guild.users[0];
    const channel = guild.channels.find(({ id }) => id === channelId) ?? guild.channels[0];
    const [messages, commands] = await Promise.all([
      get(`/channels/${channel.id}/messages`, { user: user.id, limit: 100 }),
      get(`/guilds/${guildId}/commands`, { user: user.id }),
    ]);
    // The user has opened another channel in the meantime.
    if (place !== this.#place) return;
    if (this.guild?.id !== guildId) this.unread.clear();
    this.unread.delete(channel.id);
    this.guild = guild;
    this.channelId = channel.id;
    this.userId = user.id;
    this.commands = commands;
    this.entries = new Map(messages.map((message) => [message.id, { id: message.id, message }]));
    for (const reply of this.interactions) this.#noticeOf(reply);
    this.#changed('place');
    this.#changed('commands');
    this.#changed('messages');
  }

  /** A member of this guild or the bot. @param {string} userId */
  user(userId) {
    if (userId === this.info?.bot?.id)
      return { id: userId, username: this.info.bot.username, displayName: this.info.bot.username, role: 'bot' };
    return this.guild?.users.find(({ id }) => id === userId);
  }

  get me() {
    return this.user(this.userId ?? '');
  }

  get channel() {
    return this.guild?.channels.find(({ id }) => id === this.channelId);
  }

  get #here() {
    return { guildId: this.guild.id, channelId: this.channelId, userId: this.userId };
  }

  /** @param {string} content */
  say(content) {
    return post('/messages', { ...this.#here, content });
  }

  /**
   * Sends an interaction and shows it as pending until the response arrives.
   * @param {'commands' | 'components' | 'modals'} kind @param {string} label @param {object} input
   */
  async interact(kind, label, input) {
    const id = `pending-${performance.now()}`;
    const pending = { id, pending: { label, userId: this.userId } };
    this.entries.set(id, pending);
    this.#changed('messages');
    try {
      const reply = await post(`/${kind}`, { ...this.#here, ...input });
      this.#remember(reply);
      return reply;
    } finally {
      this.entries.delete(id);
      this.#changed('messages');
      this.#changed('interactions');
    }
  }

  /** @param {object} input */
  async suggest(input) {
    const reply = await post('/autocomplete', { ...this.#here, ...input });
    return reply.choices ?? [];
  }

  async refreshSessions() {
    this.sessions = await get('/sessions');
    this.#changed('sessions');
  }

  /** Stores a reply, or updates it if it is known. @param {any} reply */
  #remember(reply) {
    const known = this.interactions.find(({ id }) => id === reply.id);
    if (known !== undefined) {
      Object.assign(known, { ...reply, completedMs: known.completedMs ?? reply.completedMs });
      return;
    }
    this.interactions.unshift(reply);
    if (this.interactions.length > 200) this.interactions.pop();
    this.#attach(reply);
    this.#noticeOf(reply);
  }

  #attach(reply) {
    if (reply.messageId !== null && reply.type !== 4) {
      this.replies.set(reply.messageId, [...(this.replies.get(reply.messageId) ?? []), reply]);
    }
  }

  /** Shows an interaction without a message in its channel. */
  #noticeOf(reply) {
    if (reply.channelId !== this.channelId || reply.userId !== this.userId || reply.type === 4) return;
    const failed = reply.outcome !== 'answered' && reply.outcome !== 'deferred';
    const opened = reply.responseType === 9;
    if (failed || opened) this.entries.set(reply.id, { id: reply.id, notice: { reply, failed } });
  }

  #onEvent(event) {
    switch (event.type) {
      case 'message':
      case 'message_update':
        return this.#onMessage(event);
      case 'message_delete':
        if (this.entries.delete(event.messageId)) this.#changed('messages');
        return;
      case 'interaction':
        this.#remember(event.interaction);
        this.#changed('interactions');
        this.#changed('messages');
        return;
      case 'completed': {
        const reply = this.interactions.find(({ id }) => id === event.id);
        if (reply !== undefined) reply.completedMs = event.elapsedMs;
        this.#changed('interactions');
        this.#changed('messages');
        return;
      }
      // If the simulator is away, the page reloads everything when it is back.
      case 'gateway':
        this.refreshSessions().catch(() => {});
        return;
      case 'commands':
        if (this.guild !== null) this.#refreshCommands().catch(() => {});
        return;
      case 'violation':
        this.violations.push({ at: Date.now(), rule: event.rule, detail: event.detail });
        this.#changed('violations');
        return;
      case 'unknown_route':
        this.unknownRoutes.push(event.route);
        this.#changed('unknownRoutes');
    }
  }

  #onMessage({ visibleTo, message }) {
    if (visibleTo !== null && visibleTo !== this.userId) return;
    if (message.channel_id === this.channelId) {
      this.entries.set(message.id, { id: message.id, message });
      this.#changed('messages');
    } else if (this.guild?.channels.some(({ id }) => id === message.channel_id)) {
      this.unread.add(message.channel_id);
      this.#changed('place');
    }
  }

  async #refreshCommands() {
    this.commands = await get(`/guilds/${this.guild.id}/commands`, { user: this.userId });
    this.#changed('commands');
  }
}

/** Compares snowflakes by age. @param {string} a @param {string} b */
export function byAge(a, b) {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}
