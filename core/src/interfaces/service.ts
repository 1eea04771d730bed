/**
 * Anything that runs until told otherwise: a web server, a mail queue. It stops with the master, or when a reload
 * changes it or takes it away; if that reload fails, the one that was stopped is started again.
 */
export interface Service {
  /**
   * Which process it belongs to when the web has one of its own: `api` for what serves the API to others, `engine` for
   * everything that has to run once. Default `engine`.
   */
  readonly role?: "api" | "engine";
  /** Resolves once the service is ready. If it rejects, nothing it opened stays open. */
  start(signal: AbortSignal): Promise<void>;
  /** Resolves once nothing is running. Harmless before `start`, and when called twice. */
  stop(): Promise<void>;
  /** What to tell the user once it runs, such as where it can be asked: a line each. Called after `start` has resolved. */
  describe?(): string[];
}
