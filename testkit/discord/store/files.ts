import type { APIAttachment } from 'discord-api-types/v10';
import type { SnowflakeSource } from '../snowflake.ts';

/** A file of a multipart request: the `n` of its `files[n]`, and its content. */
export interface UploadedFile {
  readonly key: string;
  readonly name: string;
  readonly contentType: string;
  readonly content: Buffer;
}

interface StoredFile {
  readonly contentType: string;
  readonly content: Buffer;
}

const MAX_FILES = 200;

/** The most recent attachments, available under their URLs. */
export class FileStore {
  readonly #ids: SnowflakeSource;
  readonly #files = new Map<string, StoredFile>();
  /** The base URL of files, known once the simulator listens. */
  baseUrl = '';

  constructor(ids: SnowflakeSource) {
    this.#ids = ids;
  }

  add(channelId: string, file: UploadedFile, description: string | undefined): APIAttachment {
    const id = this.#ids.next();
    const path = `/attachments/${channelId}/${id}/${encodeURIComponent(file.name)}`;
    if (this.#files.size >= MAX_FILES) this.#files.delete(this.#files.keys().next().value as string);
    this.#files.set(path, { contentType: file.contentType, content: file.content });
    return {
      id,
      filename: file.name,
      size: file.content.length,
      url: this.baseUrl + path,
      proxy_url: this.baseUrl + path,
      content_type: file.contentType,
      ...(description === undefined ? {} : { description }),
    };
  }

  /** @param path as in the attachment's URL */
  get(path: string): StoredFile | undefined {
    return this.#files.get(path);
  }
}
