import type { ServerResponse } from "node:http";
import { PacedAnswer } from "@belfry/http";
import type { BelfryError, EventBatch, EventReader, EventSubscription } from "belfry";

/** One open answer: a block of text for each event. */
export class Stream implements EventReader {
  readonly #answer: PacedAnswer;
  #subscription: EventSubscription | undefined;

  constructor(res: ServerResponse) {
    this.#answer = new PacedAnswer(res, () => this.#subscription?.ready());
  }

  /** Sends where it begins, so that who comes back early misses nothing, and begins. */
  start(subscription: EventSubscription, retry: number): void {
    this.#subscription = subscription;
    this.#answer.write(`retry: ${retry}\nid: ${subscription.position}\n\n`);
    subscription.start();
  }

  take(batch: EventBatch): boolean {
    return this.#answer.write(batch.once("sse", () => Buffer.from(blocks(batch))));
  }

  failed(error: BelfryError): void {
    // A master that stops will be back: that is what the end of a stream means to a browser anyway.
    if (error.code !== "BELFRY_MASTER_STOPPING") {
      const { code, what, why, fix } = error;
      this.#answer.write(block("failure", undefined, { code, what, why, fix }));
    }
    this.end();
  }

  /** A comment, unless something waits to be sent anyway. */
  beat(): void {
    if (!this.#answer.full) this.#answer.write(":\n\n");
  }

  end(): void {
    this.#subscription?.end();
    this.#answer.end();
  }
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
