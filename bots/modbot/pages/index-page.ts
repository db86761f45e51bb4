import type { BotContext, Database } from 'guildway';
import { pagesAreOpen } from './access.ts';
import { html } from './html.ts';
import { page } from './layout.ts';

const MAX_LISTED = 500;

interface GuildSummary {
  readonly id: string;
  readonly name: string | null;
  readonly cases: number;
  readonly messages: number;
}

/** This pod's part of the response to `/api/overview`. It lists servers only if pages are open. */
export function overview(context: BotContext): Response {
  const { guilds } = context.db.get('SELECT COUNT(*) AS guilds FROM guilds') as { guilds: number };
  const { cases } = context.db.get('SELECT COUNT(*) AS cases FROM cases') as { cases: number };
  return Response.json({ pod: context.pod, guilds, cases, list: pagesAreOpen() ? listGuilds(context.db) : null });
}

function listGuilds(db: Database): GuildSummary[] {
  return db.all<GuildSummary>(
    `SELECT guild_id AS id, name,
       (SELECT COUNT(*) FROM cases WHERE cases.guild_id = guilds.guild_id) AS cases,
       (SELECT COALESCE(SUM(messages), 0) FROM activity WHERE activity.guild_id = guilds.guild_id) AS messages
     FROM guilds ORDER BY name LIMIT ?`,
    MAX_LISTED,
  );
}

/**
 * The start page with the servers of all pods. Pod 0 serves it but knows only its own servers, so the browser queries all pods
 * through `/api/overview`. The page names the pods that did not respond.
 */
export function indexPage(): Response {
  const body = html`<header><div>
<span class="badge" aria-hidden="true">G</span>
<div class="title"><h1>Servers</h1><span class="quiet small">Each is kept by exactly one pod</span></div>
</div></header>
<main>
<div id="missing" class="panel banner" role="status" hidden></div>
<section class="panel" aria-live="polite">
<table id="servers" hidden>
<thead><tr><th scope="col">Server</th><th scope="col">Pod</th><th scope="col" class="number">Cases</th><th scope="col" class="number">Messages</th></tr></thead>
<tbody></tbody>
</table>
<p id="state" class="empty">Asking every pod …</p>
<noscript><p class="empty">This list is put together in the browser and needs JavaScript. Each server's own page works without.</p></noscript>
</section>
</main>`;
  return page('Servers', body, { script: SCRIPT });
}

/** Runs in the browser. */
const SCRIPT = `
const cell = (row, content, className) => {
  const td = row.insertCell();
  td.append(content ?? '');
  if (className) td.className = className;
};
const state = document.querySelector('#state');
try {
  const response = await fetch('/api/overview');
  const { answers, missing } = await response.json();
  const pods = Object.values(answers);
  const rows = pods.flatMap(({ pod, list }) => (list ?? []).map((guild) => ({ pod, ...guild })));
  rows.sort((a, b) => (a.name ?? '~').localeCompare(b.name ?? '~'));
  const table = document.querySelector('#servers');
  for (const { pod, id, name, cases, messages } of rows) {
    const row = table.tBodies[0].insertRow();
    const link = document.createElement('a');
    link.href = '/app/' + id;
    link.textContent = name ?? id;
    cell(row, link);
    cell(row, 'gateway-' + pod, 'quiet fixed');
    cell(row, cases, 'number');
    cell(row, messages, 'number');
  }
  table.hidden = rows.length === 0;
  state.hidden = rows.length > 0;
  const total = pods.reduce((sum, { guilds }) => sum + guilds, 0);
  state.textContent = pods.some(({ list }) => list === null)
    ? total + ' servers on ' + pods.length + ' pods. Use /settings page in a server to get the link to its page.'
    : 'No servers yet. They appear when the bot has connected to Discord.';
  if (missing.length > 0) {
    const banner = document.querySelector('#missing');
    banner.textContent = 'No response from: ' + missing.map(({ pod }) => 'gateway-' + pod).join(', ') + '. Their servers are missing here.';
    banner.hidden = false;
  }
} catch (error) {
  state.textContent = 'The list could not be loaded. ' + error.message;
}
`;
