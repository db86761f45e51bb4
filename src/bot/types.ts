import type {
  APIApplicationCommandAutocompleteInteraction,
  APIApplicationCommandOptionChoice,
  APIChatInputApplicationCommandInteraction,
  APIInteractionResponse,
  APIMessage,
  APIMessageApplicationCommandInteraction,
  APIMessageComponentInteraction,
  APIModalSubmitInteraction,
  APIUserApplicationCommandInteraction,
  APIWebhookEvent,
  ApplicationCommandType,
  GatewayDispatchEvents,
  GatewayDispatchPayload,
  RESTPostAPIChatInputApplicationCommandsJSONBody,
  RESTPostAPIContextMenuApplicationCommandsJSONBody,
} from 'discord-api-types/v10';
import type { RouteRule } from '../routing/route-table.ts';
import type { BotContext } from './context.ts';
import type { CronHandlers } from './cron.ts';
import type { JobContext, JobHandlers } from './jobs.ts';
import type { GuildTableDeclaration } from './tables.ts';
import type { WebSocketHandler } from './websocket.ts';

export type { BotContext, Database, Deadline, SqlValue } from './context.ts';

type Answer<T> = T | Promise<T>;

/**
 * How Guildway may respond for a handler that is too slow or whose pod is away. Discord fixes both settings with the first
 * response, so the bot declares them.
 */
export interface DeferralOptions {
  /** The deferred response, and so the final one, is visible to the user only. Default false. */
  readonly ephemeral?: boolean;
  /** False: ask the user to try again instead of deferring. Use it for responses with a modal. Default true. */
  readonly deferrable?: boolean;
}

/** What a handler of interactions may have besides `run`. */
interface WithAfter {
  /**
   * Called once after Discord has the response, with the message that it became (for a component that was updated: its message), such as to
   * remember its id. It is a job: it survives the pod, and is tried again while the interaction's token is valid, about 15 minutes.
   */
  after?(context: JobContext, message: APIMessage): Answer<void>;
}

interface ChatInputCommand extends DeferralOptions, WithAfter, RESTPostAPIChatInputApplicationCommandsJSONBody {
  readonly type?: ApplicationCommandType.ChatInput;
  run(interaction: APIChatInputApplicationCommandInteraction, context: BotContext): Answer<APIInteractionResponse>;
  /** Suggestions for an option that is being typed; at most 25 are sent. */
  autocomplete?(
    interaction: APIApplicationCommandAutocompleteInteraction,
    context: BotContext,
  ): Answer<APIApplicationCommandOptionChoice[]>;
}

interface UserCommand extends DeferralOptions, WithAfter, RESTPostAPIContextMenuApplicationCommandsJSONBody {
  readonly type: ApplicationCommandType.User;
  run(interaction: APIUserApplicationCommandInteraction, context: BotContext): Answer<APIInteractionResponse>;
}

interface MessageCommand extends DeferralOptions, WithAfter, RESTPostAPIContextMenuApplicationCommandsJSONBody {
  readonly type: ApplicationCommandType.Message;
  run(interaction: APIMessageApplicationCommandInteraction, context: BotContext): Answer<APIInteractionResponse>;
}

/** The fields of a command that Discord does not get. */
export type GuildwayField = keyof DeferralOptions | keyof WithAfter | 'run' | 'autocomplete';

/** A command: its registration as Discord's API takes it, and its handler. */
export type Command = ChatInputCommand | UserCommand | MessageCommand;

export interface ComponentHandler extends DeferralOptions, WithAfter {
  /**
   * `update`: a late response edits the component's message (type 6). `reply`: it is a new message (type 5). Default `update`.
   */
  readonly deferAs?: 'update' | 'reply';
  run(interaction: APIMessageComponentInteraction, context: BotContext): Answer<APIInteractionResponse>;
}

export interface ModalHandler extends DeferralOptions, WithAfter {
  run(interaction: APIModalSubmitInteraction, context: BotContext): Answer<APIInteractionResponse>;
}

/** The data of a gateway dispatch, by the event's name: `EventData<'MESSAGE_CREATE'>`. */
export type EventData<Name extends string> = Extract<GatewayDispatchPayload, { t: Name }>['d'];

/** Handlers of gateway events of guilds that this pod owns. They may run again after a crash: use `context.transaction`. */
export type EventHandlers = {
  readonly [Name in `${GatewayDispatchEvents}`]?: (data: EventData<Name>, context: BotContext) => Answer<void>;
};

/** A bot. One module exports one: `export default defineBot({ … })`. */
export interface BotDefinition {
  /** For logs and pages. */
  readonly name: string;
  /** Gateway intents, as Discord's bit field; Guilds (1) is always added. */
  readonly intents?: number;
  readonly commands?: readonly Command[];
  /** By the part of `custom_id` before the first `:`. */
  readonly components?: Readonly<Record<string, ComponentHandler>>;
  /** By the part of `custom_id` before the first `:`. */
  readonly modals?: Readonly<Record<string, ModalHandler>>;
  readonly events?: EventHandlers;
  /** Discord's event webhooks, such as `ENTITLEMENT_CREATE`, by type. They arrive at the guild's owner, else at pod 0. */
  readonly webhookEvents?: Readonly<Record<string, (event: APIWebhookEvent, context: BotContext) => Answer<void>>>;
  /** Work that is done later, by name. See `context.schedule`. */
  readonly jobs?: JobHandlers;
  /** Work that is repeated, by name. */
  readonly cron?: CronHandlers;
  /**
   * Prepares what a gateway pod holds while it serves, such as a connection. It is awaited before any other handler of this pod runs; if it
   * throws or takes longer than a minute, the pod does not start. `context.signal` aborts when the pod stops. It has no guild and no
   * identity: its transactions run at each start.
   */
  start?(context: BotContext): Answer<void>;
  /** Releases what `start` prepared, after the last handler of this pod has ended. It may take five seconds; a killed pod skips it. */
  stop?(context: BotContext): Answer<void>;
  /** Where the guild id is in other paths. These routes override the default ones. */
  readonly routes?: readonly RouteRule[];
  /** Serves all other routed requests: pages, APIs, webhooks of other services. A web-standard handler. */
  fetch?(request: Request, context: BotContext): Answer<Response>;
  /**
   * Names of the cookies that identify a caller of `fetch`. An `Idempotency-Key` is valid for the caller that sent it: the same
   * `Authorization` header and the same values of these cookies. Default: see docs/bots.md.
   */
  readonly sessionCookies?: readonly string[];
  /** Websockets on the routes of `fetch`. Without it, an upgrade gets 404. */
  readonly websocket?: WebSocketHandler;
  /** Tables with rows of guilds. A row is in the database of its guild's owner, and moves with the guild. */
  readonly tables?: readonly GuildTableDeclaration[];
  /** Tables that belong to no guild. Their rows stay where they are written; what one pod must know alone is at pod 0. */
  readonly global?: readonly string[];
  /** SQL scripts, applied in order, each once per database. Append to this list; never change what has run. */
  readonly migrations?: readonly string[];
}

/** How a handler may be answered for. */
export interface DeferralRule {
  readonly ephemeral: boolean;
  readonly deferrable: boolean;
  /** Type of the deferred response. */
  readonly type: 5 | 6;
}

/** The part of a bot that an HTTP pod uses; plain data, so that it can travel in a handshake. */
export interface BotManifest {
  readonly name: string;
  readonly routes: readonly RouteRule[];
  /**
   * By name alone, for HTTP pods of a version that reads nothing else: they run beside newer pods during a rolling update. Commands of
   * several types that share a name share the more cautious rule.
   */
  readonly commands: Readonly<Record<string, DeferralRule>>;
  /** By type, then by name: Discord's names are unique for each type. Absent from the manifest of an earlier version. */
  readonly commandsByType?: Readonly<Record<string, Readonly<Record<string, DeferralRule>>>>;
  /** By the part of `custom_id` before the first `:`. */
  readonly components: Readonly<Record<string, DeferralRule>>;
  readonly modals: Readonly<Record<string, DeferralRule>>;
}
