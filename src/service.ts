import type { AdminAction, AdminRoute, Readiness } from './observability/admin-server.ts';

/** A running part of a process: the HTTP service or the gateway service. main.ts composes them. */
export interface Service {
  /** The port it listens on, also when the configuration said 0. */
  readonly port: number;
  readiness(): Readiness;
  /** JSON answers for the admin port, by path. */
  readonly adminRoutes: Readonly<Record<string, AdminRoute>>;
  /** Actions for operators: POST requests with JSON to the admin port, by path. */
  readonly adminActions: Readonly<Record<string, AdminAction>>;
  /** Stops taking new work. Resolves when running work is finished. Idempotent. */
  drain(): Promise<void>;
  /** Ends everything at once and releases all resources. Idempotent. The process can exit afterwards. */
  close(): Promise<void>;
}
