import type { Doorbell } from "../interfaces/doorbell.ts";

/**
 * A bell within one process, for databases to offer or to build on. However often a topic is rung in one turn of the event loop, its
 * listeners wake once. `note` is told of listeners that throw.
 */
export class LocalDoorbell implements Doorbell {
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #rung = new Set<string>();
  readonly #note: (message: string) => void;
  #closed = false;

  constructor(note: (message: string) => void) {
    this.#note = note;
  }

  ring(...topics: string[]): void {
    if (this.#closed) return;
    const idle = this.#rung.size === 0;
    for (const topic of topics) if (this.#listeners.has(topic)) this.#rung.add(topic);
    if (idle && this.#rung.size > 0) setImmediate(() => this.#wake());
  }

  listen(topic: string, wake: () => void): () => void {
    // One entry for each call, even if the same function listens twice.
    const entry = () => wake();
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(entry));
    return () => {
      listeners.delete(entry);
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic);
    };
  }

  /** Wakes everybody: after rings may have been lost. */
  ringAll(): void {
    this.ring(...this.#listeners.keys());
  }

  close(): void {
    this.#closed = true;
    this.#listeners.clear();
    this.#rung.clear();
  }

  #wake(): void {
    const topics = [...this.#rung];
    this.#rung.clear();
    for (const topic of topics) {
      for (const wake of [...(this.#listeners.get(topic) ?? [])]) {
        try {
          wake();
        } catch (error) {
          this.#note(`A listener of the doorbell "${topic}" failed: ${error}`);
        }
      }
    }
  }
}
