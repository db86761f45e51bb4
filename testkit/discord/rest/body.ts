import type { IncomingMessage } from 'node:http';
import { parseJson } from '../json.ts';
import type { UploadedFile } from '../store/files.ts';
import { DiscordError } from './errors.ts';

export interface RestBody {
  /** Parsed JSON, or undefined without a body. */
  readonly json: unknown;
  readonly files: readonly UploadedFile[];
  readonly bytes: number;
}

/** Ten files of the maximum size in a guild without boosts. */
const MAX_BODY = 105 * 1024 * 1024;
const NO_FILES: readonly UploadedFile[] = Object.freeze([]);

/** Reads JSON, a form, or multipart with `payload_json` and `files[n]`. @throws DiscordError 50109, 40005 */
export async function readBody(request: IncomingMessage): Promise<RestBody> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY) throw new DiscordError(413, 40005);
    chunks.push(chunk);
  }
  if (bytes === 0) return { json: undefined, files: NO_FILES, bytes };
  const raw = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
  const type = request.headers['content-type'] ?? '';
  if (type.startsWith('multipart/form-data')) return { ...(await readMultipart(raw, type)), bytes };
  if (type.startsWith('application/x-www-form-urlencoded')) {
    return { json: Object.fromEntries(new URLSearchParams(raw.toString())), files: NO_FILES, bytes };
  }
  return { json: parseBody(raw.toString()), files: NO_FILES, bytes };
}

async function readMultipart(raw: Buffer, type: string): Promise<{ json: unknown; files: UploadedFile[] }> {
  let form: FormData;
  try {
    form = (await new Response(new Uint8Array(raw), { headers: { 'content-type': type } }).formData()) as FormData;
  } catch {
    throw new DiscordError(400, 50035);
  }
  const files: UploadedFile[] = [];
  let json: unknown;
  const fields: Record<string, string> = {};
  for (const [name, value] of form as unknown as Iterable<[string, string | File]>) {
    if (name === 'payload_json') {
      json = parseBody(typeof value === 'string' ? value : await value.text());
    } else if (typeof value === 'string') {
      fields[name] = value;
    } else {
      files.push({
        key: /^files\[(\d+)\]$/.exec(name)?.[1] ?? name,
        name: value.name,
        contentType: value.type || 'application/octet-stream',
        content: Buffer.from(await value.arrayBuffer()),
      });
    }
  }
  return { json: json ?? (Object.keys(fields).length > 0 ? fields : undefined), files };
}

function parseBody(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    throw new DiscordError(400, 50109);
  }
}
