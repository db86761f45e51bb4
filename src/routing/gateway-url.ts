import { GuildwayError } from '../errors.ts';

const TOKEN = /\{(?:(\d+)\+)?ordinal\}/g;

/**
 * Fills a GATEWAY_URL_TEMPLATE: `{ordinal}` is the pod's number, `{7000+ordinal}` that number plus 7000 (ports of pods that
 * share a host).
 * @param ordinal a pod's number, 0 or more; arithmetic, never text from a request
 */
export function gatewayUrl(template: string, ordinal: number): string {
  return template.replace(TOKEN, (_, base: string | undefined) => String(Number(base ?? 0) + ordinal));
}

/** Checks a template once, at start. @throws GuildwayError CONFIG_INVALID */
export function checkGatewayUrlTemplate(template: string): void {
  if (template.search(TOKEN) === -1) {
    throw new GuildwayError('CONFIG_INVALID', 'it has no {ordinal}, so every guild would go to the same pod');
  }
  let url: URL;
  try {
    url = new URL(gatewayUrl(template, 0));
  } catch (cause) {
    throw new GuildwayError('CONFIG_INVALID', 'it is not a URL once {ordinal} is filled in', { cause });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new GuildwayError('CONFIG_INVALID', 'it must start with http:// or https://');
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new GuildwayError('CONFIG_INVALID', 'it must end after the host and port');
  }
}
