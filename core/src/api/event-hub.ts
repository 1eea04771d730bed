import { randomUUID } from "node:crypto";
import { BelfryError } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { Caller } from "../interfaces/api-method.ts";
import type { Json } from "../interfaces/values.ts";
import type { Api } from "./api.ts";
import { EventBatch } from "./event-batch.ts";
import { EventMember } from "./event-member.ts";
import { EventStream, mayRecover } from "./event-stream.ts";

/** Which events somebody wants, and from where on: as `events.since` has it. */
export interface EventWish {
  since?: string | undefined;
  types?: string[] | undefined;
  builder?: string | undefined;
}

export interface EventReader {
  /**
   * Is given events, in order. Returns false when it can take no more for now: nothing is kept for
   * it then, until it says `ready` and goes on from where it was.
   */
  take(batch: EventBatch): boolean;
  /** The subscription has ended, since its events cannot be read any more. */
  failed(error: BelfryError): void;
}

export interface EventSubscription {
  /** Everything up to here was told. */
  readonly position: string;
  /** Begins; called once, when the reader is ready for its first events. */
  start(): void;
  /** Says that the reader can take events again. */
  ready(): void;
  /** Ends it. Harmless when called twice. */
  end(): void;
}

export interface EventHubOptions {
  /** How long events are gathered before they are told, in milliseconds. Default 20, and more for many readers. */
  gather?: number;
}

/** How many events are read at a time for somebody who is behind. */
const PAGE = 100;
/** How many readers that are behind are served at a time. */
const AT_ONCE = 4;
const RETRY_PAUSE = 1_000;

/**
 * Tells events to any number of readers at little cost. Readers that may see the same, want the same
 * and are up to date share one call of `events.since` that waits, and what its answer is turned
 * into. Who cannot take more is left alone with its position, and reads from there when it can.
 */
export class EventHub {
  readonly #api: Api;
  readonly #gather: number;
  readonly #streams = new Map<string, EventStream>();
  /** Those that are behind, in the order in which they are served. */
  readonly #behind: EventMember[] = [];
  #serving = 0;
  #closed = false;

  constructor(api: Api, { gather = 20 }: EventHubOptions = {}) {
    this.#api = api;
    this.#gather = gather;
  }

  /**
   * Subscribes a caller. `who` stands for what it may see: subscribers with the same `who` are told
   * the same. Rejects as `events.since` does if the caller may not read, or with a wish that cannot
   * be fulfilled. Nothing is told before `start`.
   */
  async subscribe(caller: Caller, who: string, wish: EventWish, reader: EventReader): Promise<EventSubscription> {
    const first = await this.#read(caller, wish, wish.since === undefined ? 1 : PAGE);
    const { since: _, ...filter } = wish;
    const key = JSON.stringify([who, filter.types, filter.builder]);
    return new EventMember(
      key,
      reader,
      first,
      (since, limit, waitSeconds, signal) => this.#read(caller, { ...filter, since }, limit, waitSeconds, signal),
      (member, mayBeBehind) => this.#follow(member, mayBeBehind),
    );
  }

  /** Ends everything; the readers hear nothing more. */
  close(): void {
    this.#closed = true;
    this.#behind.length = 0;
    for (const stream of [...this.#streams.values()]) stream.end();
  }

  /** Lets a member share in what comes; brings it up to date before, if it may have missed something. */
  #follow(member: EventMember, mayBeBehind: boolean): void {
    if (this.#closed) return;
    const stream = this.#streams.get(member.key);
    const missed = stream?.recent(member.position);
    if (stream !== undefined && missed !== undefined) member.share(stream, missed);
    else if (stream === undefined && !mayBeBehind) member.share(this.#startStream(member), []);
    else {
      this.#behind.push(member);
      if (this.#serving < AT_ONCE) void this.#serve();
    }
  }

  #startStream({ key, position, read }: EventMember): EventStream {
    const stream = new EventStream(read, position, this.#gather, () => {
      if (this.#streams.get(key) === stream) this.#streams.delete(key);
    });
    this.#streams.set(key, stream);
    return stream;
  }

  async #serve(): Promise<void> {
    this.#serving += 1;
    for (let member = this.#behind.shift(); member !== undefined; member = this.#behind.shift()) {
      if (member.ended) continue;
      try {
        const batch = await member.read(member.position, PAGE);
        member.told(batch, batch.events.length === PAGE);
      } catch (error) {
        this.#retryOrFail(member, error as BelfryError);
      }
    }
    this.#serving -= 1;
  }

  #retryOrFail(member: EventMember, error: BelfryError): void {
    if (mayRecover(error)) setTimeout(() => this.#follow(member, true), RETRY_PAUSE);
    else member.fail(error);
  }

  /** Rejects with BelfryErrors only, unless the signal aborts. */
  async #read(
    caller: Caller,
    { since, types, builder }: EventWish,
    limit: number,
    waitSeconds = 0,
    signal?: AbortSignal,
  ): Promise<EventBatch> {
    try {
      const params = { since, types, builder, limit, waitSeconds } as Json;
      const answer = (await this.#api.call("events.since", params, caller, signal)) as unknown as {
        items: EventBatch["events"];
        next: string;
        gap: boolean;
      };
      return new EventBatch(since ?? answer.next, answer.next, answer.items, answer.gap);
    } catch (error) {
      if (BelfryError.is(error) || signal?.aborted) throw error;
      throw faults.internal(randomUUID(), error);
    }
  }
}
