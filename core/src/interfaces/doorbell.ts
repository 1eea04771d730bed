/**
 * Says "look again" and carries no data. A lost ring costs latency, never work, because every loop
 * also looks by itself now and then.
 */
export interface Doorbell {
  /** Wakes whoever listens to one of these topics, in every master. Never throws, never waits. */
  ring(...topics: string[]): void;
  /** Calls `wake` at each ring of the topic. Returns how to stop. */
  listen(topic: string, wake: () => void): () => void;
}
