import type { Clock } from '../clock.ts';
import type { SignatureHeaders, WebhookSigner } from '../keys.ts';
import type { AutocompleteInput, CommandInput, ComponentInput, InteractionInput, ModalInput } from './input.ts';
import type { PayloadBuilder, Prepared } from './payload.ts';
import {
  createInteractionToken,
  type InteractionKind,
  type InteractionRecord,
  type InteractionRecords,
} from './records.ts';
import type { InteractionResult } from './result.ts';
import type { InteractionSender } from './sender.ts';

/** An interaction that is built and signed, but not sent. */
export interface CreatedInteraction {
  readonly id: string;
  readonly token: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  readonly headers: SignatureHeaders & { readonly 'content-type': string };
}

export interface RawOptions {
  /** Headers that replace or extend those of Discord, such as a wrong signature. */
  readonly headers?: Record<string, string>;
}

interface InteractionsParts {
  readonly applicationId: string;
  readonly clock: Clock;
  readonly signer: WebhookSigner;
  readonly builder: PayloadBuilder;
  readonly records: InteractionRecords;
  readonly sender: InteractionSender;
  readonly newId: () => string;
}

/** User actions that an application receives as interactions. */
export class Interactions {
  readonly #parts: InteractionsParts;

  constructor(parts: InteractionsParts) {
    this.#parts = parts;
  }

  /** The number of interactions sent. */
  get sent(): number {
    return this.#parts.sender.sent;
  }

  /** Uses a slash, user or message command. */
  async command(input: CommandInput): Promise<InteractionResult> {
    return this.#send(this.#parts.builder.prepare({ kind: 'command', ...input }));
  }

  /** Types into an option. The suggestions are in `response.data.choices`. */
  async autocomplete(input: AutocompleteInput): Promise<InteractionResult> {
    return this.#send(this.#parts.builder.prepare({ kind: 'autocomplete', ...input }));
  }

  /** Presses a button or selects in a menu. @throws Error if the user does not see the component */
  async component(input: ComponentInput): Promise<InteractionResult> {
    return this.#send(this.#parts.builder.prepare({ kind: 'component', ...input }));
  }

  /** Submits the modal that is open for this user, or one built from the fields. */
  async modalSubmit(input: ModalInput): Promise<InteractionResult> {
    return this.#send(this.#parts.builder.prepare({ kind: 'modal', ...input }));
  }

  /** Builds and signs an interaction without sending it. Discord's time limit begins with `send`. */
  create(input: InteractionInput): CreatedInteraction {
    const { record, payload } = this.#parts.builder.prepare(input);
    const body = Buffer.from(JSON.stringify(payload));
    return {
      id: record.id,
      token: record.token,
      payload,
      body,
      headers: { 'content-type': 'application/json', ...this.#parts.signer.sign(body, this.#parts.clock.now()) },
    };
  }

  /** Sends an interaction from `create`. */
  async send(created: CreatedInteraction): Promise<InteractionResult> {
    const record = this.#parts.records.get(created.id);
    if (record === undefined) throw new Error(`interaction ${created.id} is too old`);
    if (record.state === 'waiting') record.createdAt = this.#parts.clock.now();
    return this.#parts.sender.send(record, created.body);
  }

  /**
   * Signs and sends any payload, well formed or not, such as a repeated id or the same id with another body. The response changes
   * messages only if the interaction has no response yet.
   */
  async raw(payload: unknown, options: RawOptions = {}): Promise<InteractionResult> {
    const body =
      typeof payload === 'string' || Buffer.isBuffer(payload)
        ? Buffer.from(payload)
        : Buffer.from(JSON.stringify(payload));
    return this.#parts.sender.send(this.#recordOf(payload), body, options.headers);
  }

  /** Sends a wrong signature, as Discord occasionally does. The status must be 401. */
  probeWrongSignature(): Promise<{ status: number }> {
    return this.#parts.sender.probe(this.#pingBody());
  }

  /** Verifies an endpoint like Discord: sends a PING with a wrong signature and one with a valid signature. */
  async verifyEndpoint(): Promise<{ accepted: boolean; ping: boolean; rejectsWrongSignature: boolean }> {
    if (this.#parts.sender.url === null) return { accepted: false, ping: false, rejectsWrongSignature: false };
    const { status } = await this.probeWrongSignature();
    const ping = await this.#parts.sender.ping(this.#pingBody());
    const rejectsWrongSignature = status === 401;
    return { accepted: ping && rejectsWrongSignature, ping, rejectsWrongSignature };
  }

  #send({ record, payload }: Prepared): Promise<InteractionResult> {
    return this.#parts.sender.send(record, Buffer.from(JSON.stringify(payload)));
  }

  #pingBody(): Buffer {
    const id = this.#parts.newId();
    const { applicationId } = this.#parts;
    const token = createInteractionToken(id);
    return Buffer.from(
      JSON.stringify({ id, application_id: applicationId, type: 1, token, version: 1, entitlements: [], user: null }),
    );
  }

  #recordOf(payload: unknown): InteractionRecord {
    const json = asObject(Buffer.isBuffer(payload) || typeof payload === 'string' ? parse(payload) : payload);
    const id = typeof json.id === 'string' ? json.id : this.#parts.newId();
    const known = this.#parts.records.get(id);
    if (known !== undefined) return known;
    const data = asObject(json.data);
    const user = asObject(asObject(json.member).user ?? json.user);
    const type = json.type;
    return this.#parts.records.create(
      {
        type: (typeof type === 'number' && type >= 1 && type <= 5 ? type : 2) as InteractionKind,
        guildId: text(json.guild_id),
        channelId: text(json.channel_id) ?? '0',
        userId: text(user.id) ?? '0',
        name: text(data.name) ?? text(data.custom_id) ?? '',
        commandType: typeof data.type === 'number' ? data.type : 0,
        sourceMessageId: text(asObject(json.message).id),
      },
      { id, token: text(json.token) ?? createInteractionToken(id) },
    );
  }
}

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

function asObject(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === 'object' ? (value as Record<string, unknown>) : {};
}

function parse(raw: string | Buffer): unknown {
  try {
    return JSON.parse(raw.toString()) as unknown;
  } catch {
    return {};
  }
}
