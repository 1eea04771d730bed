import type { BelfryError } from "../errors/belfry-error.ts";
import { type EventBatch, isBehind } from "./event-batch.ts";
import type { EventReader, EventSubscription } from "./event-hub.ts";
import type { EventStream, ReadEvents, StreamMember } from "./event-stream.ts";

/**
 * One subscription. It waits (for its start, or until its reader can take more), or it is read for
 * alone because it is behind, or it shares in a stream.
 */
export class EventMember implements EventSubscription, StreamMember {
  readonly key: string;
  readonly read: ReadEvents;
  position: string;
  ended = false;
  readonly #reader: EventReader;
  readonly #follow: (member: EventMember, mayBeBehind: boolean) => void;
  #first: EventBatch | undefined;
  #stream: EventStream | undefined;
  #waits = true;

  constructor(
    key: string,
    reader: EventReader,
    first: EventBatch,
    read: ReadEvents,
    follow: (member: EventMember, mayBeBehind: boolean) => void,
  ) {
    this.key = key;
    this.read = read;
    this.position = first.from;
    this.#reader = reader;
    this.#first = first;
    this.#follow = follow;
  }

  start(): void {
    const first = this.#first;
    this.#first = undefined;
    if (first === undefined || this.ended) return;
    this.#waits = false;
    this.told(first, first.events.length > 0);
  }

  ready(): void {
    if (!this.#waits || this.ended || this.#first !== undefined) return;
    this.#waits = false;
    this.#follow(this, true);
  }

  end(): void {
    this.ended = true;
    this.#leave();
  }

  fail(error: BelfryError): void {
    if (this.ended) return;
    this.end();
    this.#reader.failed(error);
  }

  /** What was read for this member alone. */
  told(batch: EventBatch, mayBeBehind: boolean): void {
    if (!this.ended && this.take(batch)) this.#follow(this, mayBeBehind);
  }

  /** Shares in a stream from now on, after what it missed of it. */
  share(stream: EventStream, missed: readonly EventBatch[]): void {
    for (const batch of missed) if (!this.take(batch)) return;
    this.#stream = stream;
    stream.add(this);
  }

  take(batch: EventBatch): boolean {
    if (this.ended) return false;
    if (!isBehind(batch.next, this.position) && !batch.gap) return true;
    const rest = isBehind(this.position, batch.from) ? batch.after(this.position) : batch;
    this.position = batch.next;
    // One without events says how far it has got, and comes once for every time that was waited in vain.
    if ((rest !== batch && rest.events.length === 0) || this.#reader.take(rest)) return true;
    this.#waits = true;
    this.#leave();
    return false;
  }

  #leave(): void {
    this.#stream?.delete(this);
    this.#stream = undefined;
  }
}
