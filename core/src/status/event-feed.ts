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
  /** How often the bell rang, and how often it had when the last reading began. */
  #rung = 0;
  #heard = 0;
  readonly #waiting = new Set<() => void>();
  readonly #unlisten: () => void;
  /** What the store's version was when everything before had been read. */
  #version: number | undefined;
  #closed = false;

  constructor(store: Store) {
    this.#store = store;
    this.#unlisten = store.doorbell.listen("events", () => {
      this.#rung += 1;
      for (const wake of [...this.#waiting]) wake();
    });
  }

  /** True when nobody shall wait any more. */
  get closed(): boolean {
    return this.#closed;
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

  /**
   * Resolves when something may have been appended since the last reading, after `timeout`
   * milliseconds, or when the signal aborts. Read again before waiting again.
   */
  wait(seq: number, timeout: number, signal: AbortSignal): Promise<void> {
    if (this.#closed || signal.aborted || this.#rung !== this.#heard || (this.#tail.at(-1)?.seq ?? -1) > seq)
      return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, timeout);
      this.#waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  /** Ends all waiting, now and later. */
  close(): void {
    this.#closed = true;
    this.#unlisten();
    for (const wake of [...this.#waiting]) wake();
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
    const rung = this.#rung;
    const version = this.#store.version();
    if (version !== undefined && version === this.#version) {
      this.#heard = rung;
      return;
    }
    if (this.#floor < 0) this.#floor = Math.max(0, (await newestPosition(this.#store)) - CHUNK);
    for (;;) {
      const events = await eventsAfter(this.#store, this.#tail.at(-1)?.seq ?? this.#floor, CHUNK);
      for (const event of events) this.#tail.push(event);
      if (this.#tail.length > KEPT * 2) {
        this.#floor = this.#tail[this.#tail.length - KEPT - 1]?.seq ?? this.#floor;
        this.#tail = this.#tail.slice(-KEPT);
      }
      if (events.length < CHUNK) break;
      await this.#leap();
      // Reading may be nothing but computing; others have their turn between two pieces.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#heard = rung;
    this.#version = version;
  }

  /** Leaves out what nobody here asked for while it was appended, if that is much. */
  async #leap(): Promise<void> {
    const newest = await newestPosition(this.#store);
    if (newest - (this.#tail.at(-1)?.seq ?? this.#floor) <= KEPT) return;
    const floor = newest - CHUNK;
    const tail = await eventsAfter(this.#store, floor, CHUNK);
    this.#floor = floor;
    this.#tail = tail;
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
