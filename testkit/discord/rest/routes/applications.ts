import type { ApplicationUrls } from '../../application-urls.ts';
import type { CommandStore } from '../../store/commands.ts';
import type { World } from '../../world/world.ts';
import { DiscordError, FormErrors } from '../errors.ts';
import type { RestRequest, Route } from '../router.ts';

export interface ApplicationParts {
  readonly applicationId: string;
  readonly publicKey: string;
  readonly world: World;
  readonly commands: CommandStore;
  readonly urls: ApplicationUrls;
}

/** The fields of an application that PATCH stores as they are. */
const STORED = ['description', 'tags', 'custom_install_url', 'install_params', 'integration_types_config'];

/** Routes of the application and of its global and guild commands. */
export function applicationRoutes(parts: ApplicationParts): Route[] {
  const stored: Record<string, unknown> = {};
  const self = () => ({ ...applicationObject(parts), ...stored });
  return [
    { method: 'GET', path: '/applications/@me', auth: 'bot', handle: () => ({ status: 200, body: self() }) },
    { method: 'GET', path: '/oauth2/applications/@me', auth: 'bot', handle: () => ({ status: 200, body: self() }) },
    {
      method: 'PATCH',
      path: '/applications/@me',
      auth: 'bot',
      async handle({ json }) {
        const body = (json ?? {}) as Record<string, unknown>;
        if ('interactions_endpoint_url' in body) await setInteractionsUrl(parts.urls, body.interactions_endpoint_url);
        if ('event_webhooks_url' in body)
          parts.urls.setEventWebhookUrl((body.event_webhooks_url as string | null) || null);
        for (const field of STORED) if (body[field] !== undefined) stored[field] = body[field];
        return { status: 200, body: self() };
      },
    },
    ...commandRoutes(parts, '/applications/:application/commands'),
    ...commandRoutes(parts, '/applications/:application/guilds/:guild/commands'),
  ];
}

function commandRoutes({ applicationId, world, commands }: ApplicationParts, path: string): Route[] {
  const scope = ({ params }: RestRequest): string | null => {
    if (params.application !== applicationId) throw new DiscordError(403, 50001);
    const guildId = params.guild ?? null;
    if (guildId !== null && world.guild(guildId) === undefined) throw new DiscordError(403, 50001);
    return guildId;
  };
  const id = ({ params }: RestRequest): string => params.command ?? '';
  return [
    { method: 'GET', path, auth: 'bot', handle: (request) => ({ status: 200, body: commands.list(scope(request)) }) },
    {
      method: 'PUT',
      path,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: commands.replaceAll(scope(request), request.json) }),
    },
    {
      method: 'POST',
      path,
      auth: 'bot',
      handle(request) {
        const { command, created } = commands.upsert(scope(request), request.json);
        return { status: created ? 201 : 200, body: command };
      },
    },
    {
      method: 'GET',
      path: `${path}/:command`,
      auth: 'bot',
      handle: (request) => ({ status: 200, body: commands.get(scope(request), id(request)) }),
    },
    {
      method: 'PATCH',
      path: `${path}/:command`,
      auth: 'bot',
      handle: (request) => ({
        status: 200,
        body: commands.edit(scope(request), id(request), (request.json ?? {}) as Record<string, unknown>),
      }),
    },
    {
      method: 'DELETE',
      path: `${path}/:command`,
      auth: 'bot',
      handle(request) {
        commands.delete(scope(request), id(request));
        return { status: 204 };
      },
    },
  ];
}

async function setInteractionsUrl(urls: ApplicationUrls, value: unknown): Promise<void> {
  const url = typeof value === 'string' && value !== '' ? value : null;
  if (await urls.tryInteractionsUrl(url)) return;
  const errors = new FormErrors();
  errors.add(
    'interactions_endpoint_url',
    'APPLICATION_INTERACTIONS_ENDPOINT_URL_INVALID',
    'The specified interactions endpoint url could not be verified.',
  );
  errors.throwIfAny();
}

function applicationObject({ applicationId, publicKey, world, urls }: ApplicationParts): object {
  return {
    id: applicationId,
    name: world.bot.username,
    icon: null,
    description: '',
    bot_public: true,
    bot_require_code_grant: false,
    verify_key: publicKey,
    flags: 0,
    bot: world.bot,
    owner: world.user(world.people[0] as string),
    team: null,
    summary: '',
    approximate_guild_count: world.guilds.size,
    interactions_endpoint_url: urls.interactionsUrl,
    event_webhooks_url: urls.eventWebhookUrl,
  };
}
