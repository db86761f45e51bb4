import type { HeaderList } from '../../protocol/headers.ts';

/**
 * Cookies of load balancers, CDNs and analytics. They change on their own (some with every response) and do not identify a
 * caller.
 */
const INFRASTRUCTURE: readonly RegExp[] = [
  // AWS, Google Cloud, Azure
  /^AWSALB(?:TG)?(?:CORS)?$/,
  /^(?:AWSELB(?:CORS)?|GCLB|GCILB|ARRAffinity(?:SameSite)?|ApplicationGatewayAffinity(?:CORS)?)$/,
  // Cloudflare, Akamai, Imperva, DigitalOcean, Heroku
  /^(?:__cf_bm|__cflb|__cfruid|_cfuvid|cf_clearance|ak_bmsc|bm_s[vz]|AKA_A2|DO-LB|heroku-session-affinity)$/,
  /^(?:incap_ses_|visid_incap_|nlbi_)/,
  // ingress-nginx, HAProxy, Traefik, F5 BIG-IP, NetScaler
  /^(?:INGRESSCOOKIE|SERVERID|SRVNAME|_traefik_backend|BIGipServer.*|NSC_.*)$/,
  // Analytics
  /^(?:_ga(?:_\w+)?|_gid|_gat(?:_\w+)?|_fbp|_gcl_(?:au|aw)|_pk_(?:id|ses)\.[\w.]+)$/,
];

const isInfrastructure = (name: string): boolean => INFRASTRUCTURE.some((pattern) => pattern.test(name));

/**
 * What identifies a caller, as a list of strings. Requests with equal lists come from one caller.
 *
 * With declared session cookies: `Authorization` and these cookies. Without: `Authorization` if present, else all cookies
 * except those that infrastructure sets. An unknown cookie counts. At worst, a repeated request takes effect twice; the
 * opposite mistake would give one caller's response to another.
 * @param sessionCookies the bot's `sessionCookies`; null: not declared
 */
export function callerOf(headers: HeaderList, sessionCookies: readonly string[] | null): string[] {
  const authorization: string[] = [];
  const cookies: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const value = headers[i + 1] as string;
    if (headers[i] === 'authorization') authorization.push('authorization', value);
    // HTTP/2 may split cookies into several fields (RFC 9113, 8.2.3).
    else if (headers[i] === 'cookie') cookies.push(...value.split(';').map((pair) => pair.trim()));
  }
  if (sessionCookies === null && authorization.length > 0) return authorization;
  const counts = (name: string): boolean =>
    sessionCookies === null ? !isInfrastructure(name) : sessionCookies.includes(name);
  // Sorted: a cookie that is set again may move to another position.
  const counted = cookies.filter((pair) => pair !== '' && counts(pair.split('=', 1)[0] as string)).toSorted();
  return [...authorization, ...counted.flatMap((pair) => ['cookie', pair])];
}
