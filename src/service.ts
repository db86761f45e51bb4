import type { AdminAction, AdminRoute, Readiness } from './observability/admin-server.ts';

/** A running part of a process: the HTTP service or the gateway service. main.ts composes them. */
export interface Service {
  /** The port it listens on, also when the configuration said 0. */
  readonly port: number;
  readiness(): Readiness;
  /** JSON answers for the admin port, by path. */
  readonly adminRoutes: Readonly<Record<string, AdminRoute>>;
  /** What an operator can have it do: POST requests with JSON to the admin port, by path. */
  readonly adminActions: Readonly<Record<string, AdminAction>>;
  /** Stops taking new work and resolves when what runs is finished. Idempotent. */
  drain(): Promise<void>;
  /** Ends everything at once and releases what it holds. Idempotent; after it the process can exit. */
  close(): Promise<void>;
}
