import { STATUS_CODES } from '../../node-http.ts';
import type { HeaderList } from '../../protocol/headers.ts';

export interface ErrorPage {
  readonly status: number;
  readonly error: string;
  /** A reference for the bot's operator. */
  readonly requestId: string;
  /** The seconds until the page reloads itself; null if it does not. */
  readonly retryAfterS: number | null;
}

/** The page loads nothing else and is not cached. */
export const PAGE_HEADERS: HeaderList = Object.freeze([
  ...['content-type', 'text/html; charset=utf-8', 'cache-control', 'no-store', 'x-content-type-options', 'nosniff'],
  ...['content-security-policy', "default-src 'none'; style-src 'unsafe-inline'"],
]);

/** The error page for browsers, with the reason and an automatic retry. */
export function errorPage({ status, error, requestId, retryAfterS }: ErrorPage): string {
  const title = retryAfterS === null ? `${status} ${STATUS_CODES[status] ?? ''}`.trim() : 'Back in a moment';
  const again = retryAfterS === null ? '' : '<p>This page reloads by itself.</p>';
  const refresh = retryAfterS === null ? '' : `<meta http-equiv="refresh" content="${retryAfterS}">`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${refresh}
<title>${escapeHtml(title)}</title>
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  body { max-width: 34rem; margin: 15vh auto; padding: 0 1rem }
  small { opacity: .6 }
</style>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(error.charAt(0).toUpperCase() + error.slice(1))}.</p>
${again}
<p><small>Reference: ${escapeHtml(requestId)}</small></p>
</html>
`;
}

const ESCAPED: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPED[character] as string);
