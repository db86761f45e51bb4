import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A request that a bot made to Discord's webhooks. */
export interface WebhookRequest {
  readonly method: string;
  /** The path after the API's version, with a literal `@original`. */
  readonly path: string;
  readonly body: Record<string, unknown> | null;
  readonly authorized: boolean;
}

/** A Discord with interaction webhooks only. It records its requests and sends the given responses. */
export interface WebhookReceiver extends AsyncDisposable {
  readonly url: string;
  readonly requests: WebhookRequest[];
  /** The responses to the next requests, in order; 200 after that. */
  readonly answers: { status: number; code?: number }[];
}

export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const requests: WebhookRequest[] = [];
  const answers: { status: number; code?: number }[] = [];
  const server = createServer(async (request, response) => {
    const body = await text(request);
    requests.push({
      method: request.method ?? '',
      path: decodeURIComponent((request.url ?? '').replace(/^\/v10/, '').split('?')[0] ?? ''),
      body: body === '' ? null : (JSON.parse(body) as Record<string, unknown>),
      authorized: request.headers.authorization !== undefined,
    });
    const { status, code } = answers.shift() ?? { status: request.method === 'DELETE' ? 204 : 200 };
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(
      status === 204 ? undefined : JSON.stringify(code === undefined ? {} : { code, message: `error ${code}` }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answers,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
