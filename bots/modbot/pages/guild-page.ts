import type { BotContext } from 'guildway';
import { type Activity, readActivity } from '../store/activity.ts';
import { CASE_KINDS, type Case, type CaseFilter, type CaseKind, countCases, listCases } from '../store/cases.ts';
import { readChannelName, readGuildName, readSettings, type Settings } from '../store/guilds.ts';
import { type Bar, barChart } from './chart.ts';
import { type Html, html } from './html.ts';
import { page } from './layout.ts';
import { ago } from './time.ts';

const PER_PAGE = 20;
const KIND_NAMES: Readonly<Record<CaseKind, string>> = {
  warn: 'Warning',
  note: 'Note',
  report: 'Report',
  timeout: 'Timeout',
};
const PLURALS: Readonly<Record<CaseKind, string>> = {
  warn: 'Warnings',
  note: 'Notes',
  report: 'Reports',
  timeout: 'Timeouts',
};

/** The parameters of the page: `?kind=warn&user=1234&page=2&range=month`. */
interface View extends CaseFilter {
  readonly page: number;
  readonly range: 'day' | 'month';
}

function readView(query: URLSearchParams): View {
  const kind = CASE_KINDS.find((one) => one === query.get('kind'));
  const user = query.get('user')?.trim() ?? '';
  return {
    kind,
    userId: /^\d{1,20}$/.test(user) ? user : undefined,
    page: Math.max(1, Number.parseInt(query.get('page') ?? '1', 10) || 1),
    range: query.get('range') === 'month' ? 'month' : 'day',
  };
}

/** A link to this page with changed parameters. A change of the filter goes to its first page. */
function linkTo(view: View, change: Partial<View>): string {
  const next = { ...view, page: 1, ...change };
  const query = new URLSearchParams();
  if (next.kind !== undefined) query.set('kind', next.kind);
  if (next.userId !== undefined) query.set('user', next.userId);
  if (next.page > 1) query.set('page', String(next.page));
  if (next.range === 'month') query.set('range', 'month');
  return `?${query}`;
}

/** The page of a guild: its moderation log, activity and settings. */
export function guildPage(guildId: string, query: URLSearchParams, context: BotContext): Response {
  const now = Date.now();
  const view = readView(query);
  const name = readGuildName(context.db, guildId);
  const counts = countCases(context.db, guildId);
  const hours = view.range === 'month' ? 30 * 24 : 24;
  const activity = readActivity(context.db, guildId, hours, now);
  const settings = readSettings(context.db, guildId);
  const reportChannel =
    settings.reportChannelId === null
      ? null
      : (readChannelName(context.db, guildId, settings.reportChannelId) ?? settings.reportChannelId);

  return page(
    `${name ?? guildId} · moderation`,
    html`<header><div>
<span class="badge" aria-hidden="true">${initials(name)}</span>
<div class="title"><h1>${name ?? 'A server'}</h1><code class="quiet">${guildId}</code></div>
<span class="pod">answered by <strong>gateway-${context.pod}</strong>, its owner</span>
</div></header>
<main>
<div class="grid">
<dl class="panel numbers wide">
${CASE_KINDS.map((kind) => html`<div><dt>${PLURALS[kind]}</dt><dd>${counts[kind]}</dd></div>`)}
<div><dt>Messages, ${view.range === 'month' ? '30 days' : '24 hours'}</dt><dd>${activity.total}</dd></div>
</dl>
${logPanel(guildId, view, context, now)}
<div class="side">
${activityPanel(view, activity)}
${settingsPanel(settings, reportChannel)}
</div>
</div>
</main>`,
  );
}

function initials(name: string | null): string {
  const words = (name ?? '').split(/\s+/).filter(Boolean);
  return words.length === 0
    ? '·'
    : words
        .slice(0, 2)
        .map((word) => [...word][0]?.toUpperCase())
        .join('');
}

function logPanel(guildId: string, view: View, context: BotContext, now: number): Html {
  const log = listCases(context.db, guildId, view, view.page, PER_PAGE);
  const tab = (kind: CaseKind | undefined, label: string): Html =>
    html`<li><a href="${linkTo(view, { kind })}"${view.kind === kind ? html` aria-current="page"` : null}>${label}</a></li>`;
  return html`<section class="panel" aria-labelledby="log">
<header><h2 id="log">Moderation log</h2>
<ul class="tabs">${tab(undefined, 'All')}${CASE_KINDS.map((kind) => tab(kind, PLURALS[kind]))}</ul></header>
<form class="filter" method="get" role="search">
${view.kind === undefined ? null : html`<input type="hidden" name="kind" value="${view.kind}">`}
${view.range === 'day' ? null : html`<input type="hidden" name="range" value="${view.range}">`}
<input name="user" value="${view.userId ?? ''}" inputmode="numeric" pattern="[0-9]{1,20}" placeholder="Member's id" aria-label="Member's id">
<button>Show</button>
${view.userId === undefined ? null : html`<a class="button" href="${linkTo(view, { userId: undefined })}">Everyone</a>`}
</form>
${
  log.total === 0
    ? emptyLog(view)
    : html`<table class="log">
<thead><tr><th scope="col">#</th><th scope="col">Kind</th><th scope="col">Member</th><th scope="col">Reason</th><th scope="col" class="number">When</th></tr></thead>
<tbody>${log.cases.map((entry) => logRow(guildId, entry, view, now))}</tbody>
</table>
<nav class="paging" aria-label="Pages of the log">
${pageButton('Newer', log.page > 1 ? linkTo(view, { page: log.page - 1 }) : null)}
<span class="quiet small">Page ${log.page} of ${log.pages} · ${log.total} ${log.total === 1 ? 'case' : 'cases'}</span>
${pageButton('Older', log.page < log.pages ? linkTo(view, { page: log.page + 1 }) : null)}
</nav>`
}
</section>`;
}

function emptyLog(view: View): Html {
  return view.kind === undefined && view.userId === undefined
    ? html`<p class="empty"><strong>Nothing here yet</strong>Warnings (<code>/warn</code>), notes (<code>/note</code>) and reports appear here.</p>`
    : html`<p class="empty"><strong>No match</strong><a href="?">Show the whole log</a></p>`;
}

function logRow(guildId: string, entry: Case, view: View, now: number): Html {
  const link =
    entry.messageId === null
      ? null
      : html` <a class="small" href="https://discord.com/channels/${guildId}/${entry.channelId}/${entry.messageId}" rel="noreferrer">message</a>`;
  return html`<tr>
<td class="quiet number">${entry.number}</td>
<td><span class="kind ${entry.kind}">${KIND_NAMES[entry.kind]}</span></td>
<td><a href="${linkTo(view, { userId: entry.userId })}"><code>${entry.userId}</code></a></td>
<td class="reason">${entry.reason}${link}<div class="quiet small">by ${entry.moderatorId === null ? 'the API' : html`<code>${entry.moderatorId}</code>`}</div></td>
<td class="when quiet small">${ago(entry.createdAt, now)}</td>
</tr>`;
}

function pageButton(label: string, href: string | null): Html {
  return href === null
    ? html`<span class="button" aria-disabled="true">${label}</span>`
    : html`<a class="button" href="${href}">${label}</a>`;
}

function activityPanel(view: View, activity: Activity): Html {
  const range = (value: View['range'], label: string): Html =>
    html`<li><a href="${linkTo(view, { range: value, page: view.page })}"${view.range === value ? html` aria-current="page"` : null}>${label}</a></li>`;
  const bars = view.range === 'month' ? perDay(activity) : perHour(activity);
  const unit = view.range === 'month' ? 'day' : 'hour';
  return html`<section class="panel" aria-labelledby="activity">
<header><h2 id="activity">Activity</h2><ul class="tabs">${range('day', '24 hours')}${range('month', '30 days')}</ul></header>
${
  activity.total === 0
    ? html`<p class="empty">No messages were counted in this time.</p>`
    : html`${barChart(bars, `Messages per ${unit}, UTC`)}
<p class="quiet small">Messages per ${unit}, UTC</p>
<ul class="bars">${activity.channels
        .slice(0, 5)
        .map(
          ({ channelId, name, messages }) =>
            html`<li><span>${name === null ? channelId : `#${name}`}</span><span class="quiet number">${messages}</span><meter min="0" max="${activity.channels[0]?.messages ?? 1}" value="${messages}">${messages}</meter></li>`,
        )}</ul>`
}
</section>`;
}

const HOUR_MS = 3_600_000;

function perHour(activity: Activity): Bar[] {
  return activity.hours.map(({ hour, messages }) => ({
    label: `${new Date(hour * HOUR_MS).toISOString().slice(11, 13)}:00`,
    value: messages,
  }));
}

function perDay(activity: Activity): Bar[] {
  const days = new Map<string, number>();
  for (const { hour, messages } of activity.hours) {
    const day = new Date(hour * HOUR_MS).toISOString().slice(5, 10);
    days.set(day, (days.get(day) ?? 0) + messages);
  }
  return [...days].map(([label, value]) => ({ label, value }));
}

const AT_LIMIT = { nothing: 'nothing', suggest: 'suggest a timeout', timeout: 'time out' } as const;

function settingsPanel(settings: Settings, reportChannel: string | null): Html {
  const fact = (name: string, value: string): Html => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  return html`<section class="panel" aria-labelledby="settings">
<header><h2 id="settings">Settings</h2><code class="quiet">/settings</code></header>
<dl class="facts">
${fact('Limit of warnings', String(settings.warningLimit))}
${fact('At the limit', AT_LIMIT[settings.atLimit])}
${fact('Timeout', `${settings.timeoutMinutes} min`)}
${fact('Reports', reportChannel === null ? 'recorded only' : `#${reportChannel}`)}
</dl>
</section>`;
}
