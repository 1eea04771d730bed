/** Anything that runs until told otherwise: a web server, a mail queue. */
export interface Service {
  /** Resolves once the service is ready. If it rejects, nothing it opened stays open. */
  start(signal: AbortSignal): Promise<void>;
  /** Resolves once nothing is running. Harmless before `start`, and when called twice. */
  stop(): Promise<void>;
}
