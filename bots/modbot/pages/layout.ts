import { createHash } from 'node:crypto';
import { Html, html } from './html.ts';
import { STYLES } from './styles.ts';

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** A complete page with its style inline, so that a guild's page needs no other pod than the guild's owner. */
export function page(title: string, body: Html, options: { status?: number; script?: string } = {}): Response {
  const { status = 200, script } = options;
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${new Html(STYLES)}</style>
</head>
<body>
${body}
${script === undefined ? null : html`<script type="module">${new Html(script)}</script>`}
</body>
</html>
`;
  return new Response(document.text, {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'private, no-store',
      'content-security-policy': [
        "default-src 'none'",
        `style-src ${hashOf(STYLES)}`,
        script === undefined ? '' : `script-src ${hashOf(script)}; connect-src 'self'`,
        'img-src data:',
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
      ]
        .filter(Boolean)
        .join('; '),
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    },
  });
}
