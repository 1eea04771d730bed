import type { ServerResponse } from "node:http";

/** So many bytes may wait to be sent; for who does not read, nothing more is kept. */
const MOST_WAITING = 16_384;

/**
 * An answer that goes on as long as something happens, such as server-sent events: at the pace of who reads it.
 * `onReady` is called when an answer that was full is so no more. For handlers that set `ctx.respond` to `false`.
 */
export class PacedAnswer {
  readonly #res: ServerResponse;
  readonly #onReady: () => void;
  #full = false;

  constructor(res: ServerResponse, onReady: () => void) {
    this.#res = res;
    this.#onReady = onReady;
  }

  /** True while enough waits to be sent. */
  get full(): boolean {
    return this.#full;
  }

  /** Sends it in any case, unless the answer has ended. False if no more should come before `onReady`, or ever. */
  write(data: string | Buffer): boolean {
    if (this.#res.writableEnded) return false;
    this.#res.write(data, this.#onSent);
    this.#full ||= this.#res.writableLength > MOST_WAITING;
    return !this.#full;
  }

  /** Harmless when called twice. */
  end(): void {
    this.#res.end();
  }

  readonly #onSent = (): void => {
    if (!this.#full || this.#res.writableLength > MOST_WAITING / 2) return;
    this.#full = false;
    this.#onReady();
  };
}
