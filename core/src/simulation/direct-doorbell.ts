import type { Doorbell } from "../interfaces/doorbell.ts";

/** A bell whose listeners wake before `ring` returns: in a simulation nothing may be on its way while the clock goes on. */
export class DirectDoorbell implements Doorbell {
  readonly #listeners = new Map<string, Set<() => void>>();

  ring(...topics: string[]): void {
    for (const topic of topics) for (const wake of [...(this.#listeners.get(topic) ?? [])]) wake();
  }

  listen(topic: string, wake: () => void): () => void {
    const entry = () => wake();
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(entry));
    return () => listeners.delete(entry);
  }
}
