import type { BelfryEvent } from "../interfaces/status-listener.ts";

/** Some events that follow each other, for any number of readers. What they are turned into is made once. */
export class EventBatch {
  /** The position that it begins behind. */
  readonly from: string;
  /** The position that it ends with; further than its last event, if others followed that do not fit. */
  readonly next: string;
  readonly events: readonly BelfryEvent[];
  /** True when events behind `from` are no longer kept. */
  readonly gap: boolean;
  readonly #made = new Map<string, unknown>();

  constructor(from: string, next: string, events: readonly BelfryEvent[], gap = false) {
    this.from = from;
    this.next = next;
    this.events = events;
    this.gap = gap;
  }

  /** What `make` makes of it, kept under a name: bytes to send, for instance. */
  once<T>(name: string, make: () => T): T {
    if (!this.#made.has(name)) this.#made.set(name, make());
    return this.#made.get(name) as T;
  }

  /** The events as a JSON array. */
  get json(): string {
    return this.once("json", () => JSON.stringify(this.events));
  }

  /** What is behind a position of it. */
  after(position: string): EventBatch {
    if (position === this.from) return this;
    return new EventBatch(
      position,
      this.next,
      this.events.filter((event) => isBehind(event.position, position)),
    );
  }
}

/** Whether one position is behind another. Only core may compare them: outside they are opaque. */
export function isBehind(position: string, other: string): boolean {
  return Number(position) > Number(other);
}
