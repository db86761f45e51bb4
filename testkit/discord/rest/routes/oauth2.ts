import type { Grants } from '../../store/grants.ts';
import type { World } from '../../world/world.ts';
import { DiscordError } from '../errors.ts';
import type { RestReply, RestRequest, Route } from '../router.ts';

export interface OAuth2Parts {
  readonly applicationId: string;
  readonly world: World;
  readonly grants: Grants;
}

const TOKEN_SECONDS = 604_800;
const refused = (error: string): RestReply => ({ status: 400, body: { error } });

/** Routes of OAuth2, with which web pages of bots log in users. The simulator accepts any client secret. */
export function oauth2Routes({ applicationId, world, grants }: OAuth2Parts): Route[] {
  return [
    {
      // In a browser, Discord asks the user first. Here the first user of the simulator agrees, or the one of `user_id`.
      method: 'GET',
      path: '/oauth2/authorize',
      auth: 'none',
      handle({ query }) {
        const redirect = URL.parse(query.get('redirect_uri') ?? '');
        if (query.get('client_id') !== applicationId || redirect === null) return refused('invalid_request');
        const scopes = (query.get('scope') ?? '').split(/[ +]/);
        const userId = query.get('user_id') ?? (world.people[0] as string);
        redirect.searchParams.set('code', grants.authorize({ userId, scopes }));
        const state = query.get('state');
        if (state !== null) redirect.searchParams.set('state', state);
        return { status: 302, headers: { location: redirect.href } };
      },
    },
    {
      method: 'POST',
      path: '/oauth2/token',
      auth: 'none',
      handle(request) {
        const form = (request.json ?? {}) as Record<string, string>;
        if (!isClient(request, form, applicationId)) return { status: 401, body: { error: 'invalid_client' } };
        const token =
          form.grant_type === 'refresh_token'
            ? grants.refresh(form.refresh_token ?? '')
            : grants.exchange(form.grant_type === 'authorization_code' ? (form.code ?? '') : '');
        if (token === null) return refused('invalid_grant');
        const { accessToken, refreshToken, scopes } = token;
        const tokens = { access_token: accessToken, refresh_token: refreshToken, scope: scopes.join(' ') };
        return { status: 200, body: { token_type: 'Bearer', expires_in: TOKEN_SECONDS, ...tokens } };
      },
    },
    {
      method: 'POST',
      path: '/oauth2/token/revoke',
      auth: 'none',
      handle(request) {
        const form = (request.json ?? {}) as Record<string, string>;
        if (!isClient(request, form, applicationId)) return { status: 401, body: { error: 'invalid_client' } };
        grants.revoke(form.token ?? '');
        return { status: 200, body: {} };
      },
    },
    {
      method: 'GET',
      path: '/oauth2/@me',
      auth: 'user',
      handle({ bearer }) {
        if (bearer === null) throw new DiscordError(401, 0);
        const { userId, scopes, expiresAt } = bearer;
        const { id, username } = world.bot;
        const application = { id, name: username, icon: null, description: '', bot_public: true, verify_key: '' };
        const user = scopes.includes('identify') ? { user: world.user(userId) } : {};
        return { status: 200, body: { application, scopes, expires: new Date(expiresAt).toISOString(), ...user } };
      },
    },
  ];
}

/** Whether a request names the application, in its form or as HTTP Basic. */
function isClient(request: RestRequest, form: Record<string, string>, applicationId: string): boolean {
  const [scheme, credentials = ''] = (request.authorization ?? '').split(' ');
  const basic = scheme === 'Basic' ? Buffer.from(credentials, 'base64').toString() : '';
  const [id, secret] = basic === '' ? [form.client_id, form.client_secret] : basic.split(':');
  return id === applicationId && secret !== undefined && secret !== '';
}
