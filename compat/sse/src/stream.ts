import type { ServerResponse } from "node:http";
import type { BelfryError, EventBatch, EventReader, EventSubscription } from "belfry";

/** So many bytes may wait to be sent; for who does not read, nothing more is kept. */
const MOST_WAITING = 16_384;

/** One open answer: a block of text for each event. */
export class Stream implements EventReader {
  readonly #res: ServerResponse;
  #subscription: EventSubscription | undefined;
  #full = false;

  constructor(res: ServerResponse) {
    this.#res = res;
  }

  /** Sends where it begins, so that who comes back early misses nothing, and begins. */
  start(subscription: EventSubscription, retry: number): void {
    this.#subscription = subscription;
    this.#write(`retry: ${retry}\nid: ${subscription.position}\n\n`);
    subscription.start();
  }

  take(batch: EventBatch): boolean {
    return this.#write(batch.once("sse", () => Buffer.from(blocks(batch))));
  }

  failed(error: BelfryError): void {
    // A master that stops will be back: that is what the end of a stream means to a browser anyway.
    if (error.code !== "BELFRY_MASTER_STOPPING") {
      const { code, what, why, fix } = error;
      this.#write(block("failure", undefined, { code, what, why, fix }));
    }
    this.end();
  }

  /** A comment, unless something waits to be sent anyway. */
  beat(): void {
    if (!this.#full) this.#write(":\n\n");
  }

  end(): void {
    this.#subscription?.end();
    this.#res.end();
  }

  #write(text: string | Buffer): boolean {
    if (this.#res.writableEnded) return false;
    this.#res.write(text, this.#onSent);
    this.#full ||= this.#res.writableLength > MOST_WAITING;
    return !this.#full;
  }

  readonly #onSent = (): void => {
    if (!this.#full || this.#res.writableLength > MOST_WAITING / 2) return;
    this.#full = false;
    this.#subscription?.ready();
  };
}

function blocks({ events, next, from, gap }: EventBatch): string {
  const parts = gap ? [block("gap", from, { from })] : [];
  for (const event of events) parts.push(block(undefined, event.position, event));
  // Without data it tells a browser nothing, but from where to go on.
  if (events.at(-1)?.position !== next) parts.push(`id: ${next}\n\n`);
  return parts.join("");
}

function block(name: string | undefined, id: string | undefined, data: object): string {
  const head = `${name === undefined ? "" : `event: ${name}\n`}${id === undefined ? "" : `id: ${id}\n`}`;
  return `${head}data: ${JSON.stringify(data)}\n\n`;
}
