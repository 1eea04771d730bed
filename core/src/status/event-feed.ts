import { eventsAfter, newestPosition, type StoredEvent } from "../store/events.ts";
import type { Store } from "../store/store.ts";

const KEPT = 5_000;
const CHUNK = 500;

/**
 * Reads the event log once for everybody in this process: the newest events stay in memory, so that
 * loops, listeners and subscribers that are up to date cost no query each.
 */
export class EventFeed {
  readonly #store: Store;
  #tail: StoredEvent[] = [];
  /** Everything after this position and up to the newest read one is in `#tail`. */
  #floor = -1;
  #reading: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Events behind `seq`, oldest first, at most `limit`. Sees everything that was committed when it was called. */
  async after(seq: number, limit = CHUNK): Promise<StoredEvent[]> {
    await this.#catchUp();
    if (seq < this.#floor) return eventsAfter(this.#store, seq, limit);
    const start = this.#firstBehind(seq);
    return this.#tail.slice(start, start + limit);
  }

  async newest(): Promise<number> {
    await this.#catchUp();
    return this.#tail.at(-1)?.seq ?? this.#floor;
  }

  /** Resolves when something may have been appended, after `timeout` milliseconds, or when the signal aborts. */
  wait(seq: number, timeout: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        unlisten();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, timeout);
      const unlisten = this.#store.doorbell.listen("events", done);
      signal.addEventListener("abort", done, { once: true });
      if (signal.aborted || (this.#tail.at(-1)?.seq ?? -1) > seq) done();
    });
  }

  /** Reads once, beginning after this call: a reading under way may have missed what was committed since it began. */
  #catchUp(): Promise<void> {
    if (!this.#reading) return this.#startReading();
    this.#next ??= this.#reading
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#startReading();
      });
    return this.#next;
  }

  #startReading(): Promise<void> {
    this.#reading = this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    if (this.#floor < 0) this.#floor = Math.max(0, (await newestPosition(this.#store)) - CHUNK);
    for (;;) {
      const events = await eventsAfter(this.#store, this.#tail.at(-1)?.seq ?? this.#floor, CHUNK);
      for (const event of events) this.#tail.push(event);
      if (this.#tail.length > KEPT * 2) {
        this.#floor = this.#tail[this.#tail.length - KEPT - 1]?.seq ?? this.#floor;
        this.#tail = this.#tail.slice(-KEPT);
      }
      if (events.length < CHUNK) return;
    }
  }

  #firstBehind(seq: number): number {
    let low = 0;
    let high = this.#tail.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#tail[middle]?.seq ?? 0) > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
