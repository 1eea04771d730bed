import type { Json } from "belfry";

/** So much may wait for its reader, in characters. What comes beyond is fetched again later. */
const MOST_WAITING = 1_048_576;

/** Messages on their way to one reader. */
export class Inbox {
  readonly #messages: { message: Json; size: number }[] = [];
  #size = 0;
  #wake: (() => void) | undefined;
  #error: unknown;
  #state: "open" | "full" | "failed" = "open";

  /** True when nothing more will be put. */
  get ended(): boolean {
    return this.#state !== "open";
  }

  /** False when it is full: this one and all to come are not kept, and the reader ends after what there is. */
  put(message: Json, size: number): boolean {
    if (this.ended) return false;
    if (this.#size > MOST_WAITING) this.#state = "full";
    else {
      this.#messages.push({ message, size });
      this.#size += size;
    }
    this.#wake?.();
    return this.#state === "open";
  }

  /** Makes the reader fail after what there is. */
  fail(error: unknown): void {
    if (this.ended) return;
    this.#state = "failed";
    this.#error = error;
    this.#wake?.();
  }

  /** The next message; `undefined` at the end. */
  async next(): Promise<Json | undefined> {
    for (;;) {
      const first = this.#messages.shift();
      if (first !== undefined) {
        this.#size -= first.size;
        return first.message;
      }
      if (this.#state === "failed") throw this.#error;
      if (this.#state === "full") return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
