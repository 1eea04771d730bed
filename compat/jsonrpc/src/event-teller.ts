import type { BelfryError, Caller, EventBatch, EventHub, EventReader, EventSubscription } from "belfry";
import type { Outlet, Teller } from "./connection.ts";
import type { Version } from "./dialect.ts";
import { failed, notification } from "./notification.ts";
import type { EventWish } from "./subscription-methods.ts";
import { textFrame } from "./text-frame.ts";

/** Tells events over a connection. */
export class EventTeller implements Teller, EventReader {
  readonly kind = "events";
  readonly #id: number;
  readonly #version: Version;
  readonly #outlet: Outlet;
  readonly #onEnd: () => void;
  #subscription: EventSubscription | undefined;
  #ended = false;

  constructor(id: number, version: Version, outlet: Outlet, onEnd: () => void) {
    this.#id = id;
    this.#version = version;
    this.#outlet = outlet;
    this.#onEnd = onEnd;
  }

  /** Resolves with the position that it begins behind. */
  async subscribe(hub: EventHub, caller: Caller, who: string, wish: EventWish): Promise<string> {
    try {
      this.#subscription = await hub.subscribe(caller, who, wish, this);
    } catch (error) {
      this.#onEnd();
      throw error;
    }
    if (this.#ended || this.#outlet.signal.aborted) this.#subscription.end();
    return this.#subscription.position;
  }

  start(): void {
    this.#subscription?.start();
  }

  ready(): void {
    this.#subscription?.ready();
  }

  end(): void {
    this.#ended = true;
    this.#subscription?.end();
  }

  take(batch: EventBatch): boolean {
    // Most connections have one subscription with the same number: what they are sent is the same bytes.
    const frame = batch.once(`${this.#version} ${this.#id}`, () => {
      const rest = `"next":${JSON.stringify(batch.next)},"gap":${batch.gap}`;
      const params = `{"subscription":${this.#id},"events":${batch.json},${rest}}`;
      return textFrame(notification(this.#version, "events.event", params));
    });
    return this.#outlet.sendFrame(frame);
  }

  failed(error: BelfryError): void {
    this.#onEnd();
    this.#outlet.send(failed(this.#version, this.#id, error));
  }
}
