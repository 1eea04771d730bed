import type { BelfryError } from "../errors/belfry-error.ts";
import { type EventBatch, isBehind } from "./event-batch.ts";

export interface StreamMember {
  /** False when nothing more may be given to it now; it has left then. */
  take(batch: EventBatch): boolean;
  fail(error: BelfryError): void;
}

/** Reads events for one caller and filter. Rejects with BelfryErrors only, unless the signal aborts. */
export type ReadEvents = (
  since: string,
  limit: number,
  waitSeconds?: number,
  signal?: AbortSignal,
) => Promise<EventBatch>;

const MOST_EVENTS = 500;
const WAIT_SECONDS = 25;
/** Each member costs the time of one write; for many, more events are gathered into one. */
const GATHER_FOR_EACH = 0.01;
const LONGEST_GATHERING = 100;
/** How long members may be told one after the other before everybody else gets a turn. */
const SLICE = 5;
/** How many of the newest events are kept, for members that fall behind by a little. */
const KEPT = 500;
const RETRY_PAUSE = 1_000;

/** Reads events once for all that share in it, as long as there is anybody. */
export class EventStream {
  readonly #read: ReadEvents;
  readonly #gather: number;
  readonly #onEnd: () => void;
  readonly #members = new Set<StreamMember>();
  readonly #abort = new AbortController();
  #recent: EventBatch[] = [];
  #kept = 0;
  #position: string;
  #running = false;

  constructor(read: ReadEvents, position: string, gather: number, onEnd: () => void) {
    this.#read = read;
    this.#position = position;
    this.#gather = gather;
    this.#onEnd = onEnd;
  }

  add(member: StreamMember): void {
    this.#members.add(member);
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  delete(member: StreamMember): void {
    this.#members.delete(member);
    if (this.#members.size === 0) this.end();
  }

  end(): void {
    this.#abort.abort(new Error("nobody listens any more"));
    this.#onEnd();
  }

  /** What who is at a position has missed of this stream; `undefined` if that is no longer known here. */
  recent(position: string): readonly EventBatch[] | undefined {
    if (!isBehind(this.#position, position)) return [];
    const first = this.#recent.findIndex(
      (batch) => isBehind(batch.next, position) && !isBehind(batch.from, position) && !batch.gap,
    );
    return first < 0 ? undefined : this.#recent.slice(first);
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      let batch: EventBatch;
      try {
        batch = await this.#read(this.#position, MOST_EVENTS, WAIT_SECONDS, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!mayRecover(error as BelfryError)) return this.#fail(error as BelfryError);
        await this.#pause(RETRY_PAUSE);
        continue;
      }
      this.#keep(batch);
      await this.#tell(batch);
      if (batch.events.length > 0 && batch.events.length < MOST_EVENTS) {
        await this.#pause(Math.min(LONGEST_GATHERING, this.#gather + this.#members.size * GATHER_FOR_EACH));
      }
    }
  }

  async #tell(batch: EventBatch): Promise<void> {
    let sliceEnd = performance.now() + SLICE;
    for (const member of [...this.#members]) {
      if (this.#members.has(member)) member.take(batch);
      if (performance.now() < sliceEnd) continue;
      await new Promise((resolve) => setImmediate(resolve));
      sliceEnd = performance.now() + SLICE;
    }
  }

  #keep(batch: EventBatch): void {
    this.#position = batch.next;
    this.#recent.push(batch);
    this.#kept += batch.events.length;
    while (this.#recent.length > 1 && (this.#kept > KEPT || this.#recent.length > KEPT)) {
      this.#kept -= this.#recent.shift()?.events.length ?? 0;
    }
  }

  #fail(error: BelfryError): void {
    const members = [...this.#members];
    this.#members.clear();
    this.end();
    for (const member of members) member.fail(error);
  }

  #pause(millis: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#abort;
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, millis);
      signal.addEventListener("abort", done);
    });
  }
}

/** Whether it is worth while to try again a moment later. */
export function mayRecover({ code }: BelfryError): boolean {
  return code === "BELFRY_DATABASE_AWAY" || code === "BELFRY_BUDGET_SPENT";
}
