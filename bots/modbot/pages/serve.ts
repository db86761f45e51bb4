import type { BotContext } from 'guildway';
import { serveGuildApi } from '../api.ts';
import { isPageKey, keyCookie, mayUse } from './access.ts';
import { guildPage } from './guild-page.ts';
import { html } from './html.ts';
import { indexPage, overview } from './index-page.ts';
import { page } from './layout.ts';

/** Serves all requests that do not come from Discord. Requests with a guild reach its owner, others reach pod 0. */
export function serve(request: Request, context: BotContext): Response | Promise<Response> {
  const url = new URL(request.url);
  const { guildId } = context;
  if (guildId !== null && url.pathname.startsWith('/api/')) return serveGuildApi(request, url, guildId, context);
  if (request.method !== 'GET' && request.method !== 'HEAD') return notAllowed();
  if (guildId !== null && /^\/app\/\d+\/?$/.test(url.pathname)) return serveGuildPage(request, url, guildId, context);
  if (url.pathname === '/') return redirect('/app');
  if (url.pathname === '/app') return indexPage();
  if (url.pathname === '/api/overview') return overview(context);
  return notFound();
}

function serveGuildPage(request: Request, url: URL, guildId: string, context: BotContext): Response {
  const key = url.searchParams.get('key');
  if (key !== null && isPageKey(key, guildId, context)) {
    // Moves the key from the URL, where it would be visible and shared, into a cookie.
    const secure = url.protocol === 'https:' ? 'https' : 'http';
    return redirect(`/app/${guildId}`, { 'set-cookie': keyCookie(guildId, key, secure) });
  }
  return mayUse(request, guildId, context)
    ? guildPage(guildId, url.searchParams, context)
    : signInPage(guildId, context);
}

function signInPage(guildId: string, context: BotContext): Response {
  const body = html`<main><section class="panel notice">
<h1>This page needs its link</h1>
<p>It shows a moderation log. Use <code>/settings page</code> in the server to get the link.</p>
<p class="quiet small">Server <code>${guildId}</code>, answered by gateway-${context.pod}.</p>
</section></main>`;
  return page('This page needs its link', body, { status: 401 });
}

function notFound(): Response {
  const body = html`<main><section class="panel notice"><h1>Not found</h1><p><a href="/app">All servers</a></p></section></main>`;
  return page('Not found', body, { status: 404 });
}

function notAllowed(): Response {
  return new Response('method not allowed\n', { status: 405, headers: { allow: 'GET, HEAD' } });
}

function redirect(location: string, headers: Record<string, string> = {}): Response {
  return new Response(null, { status: 303, headers: { location, 'cache-control': 'no-store', ...headers } });
}
