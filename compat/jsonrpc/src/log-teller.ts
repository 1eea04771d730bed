import { BelfryError, type Json } from "belfry";
import type { Outlet, Teller } from "./connection.ts";
import type { Version } from "./dialect.ts";
import { failed, notification } from "./notification.ts";
import type { LogWish } from "./subscription-methods.ts";

interface LogPage {
  items: { number: number }[];
  next: number;
  lines: number;
  finished: boolean;
  truncated: boolean;
}

const LINES = 200;
const WAIT_SECONDS = 25;
/** How long lines are gathered before they are told, in milliseconds. */
const GATHER = 50;
const RETRY_PAUSE = 1_000;

/** Tells the lines of a log over a connection, until it is finished. */
export class LogTeller implements Teller {
  readonly kind = "log";
  readonly #id: number;
  readonly #version: Version;
  readonly #outlet: Outlet;
  readonly #wish: LogWish;
  readonly #ask: (params: Json, signal: AbortSignal) => Promise<Json>;
  readonly #onEnd: () => void;
  #next = 0;
  readonly #gone = new AbortController();
  #wake: (() => void) | undefined;

  constructor(
    id: number,
    version: Version,
    outlet: Outlet,
    wish: LogWish,
    ask: (params: Json, signal: AbortSignal) => Promise<Json>,
    onEnd: () => void,
  ) {
    this.#id = id;
    this.#version = version;
    this.#outlet = outlet;
    this.#wish = wish;
    this.#ask = ask;
    this.#onEnd = onEnd;
  }

  get #ended(): boolean {
    return this.#gone.signal.aborted;
  }

  /** Finds the first line; rejects if there is no such log. */
  async open(): Promise<void> {
    try {
      const { items, next } = await this.#read(this.#wish.first ?? 0, 1, 0);
      this.#next = items[0]?.number ?? next;
    } catch (error) {
      this.#onEnd();
      throw error;
    }
  }

  start(): void {
    void this.#run().finally(this.#onEnd);
  }

  ready(): void {
    this.#wake?.();
  }

  end(): void {
    this.#gone.abort(new Error("nobody follows this log any more"));
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      // Nothing is read for who does not read himself.
      if (this.#outlet.full) await this.#drained();
      const page = await this.#following();
      if (page === undefined) return;
      this.#next = page.next;
      const finished = page.finished && page.next >= page.lines;
      if (page.items.length > 0 || finished) this.#tell({ ...page, finished });
      if (finished) return;
      if (page.items.length > 0 && page.items.length < LINES) await pause(GATHER);
    }
  }

  async #following(): Promise<LogPage | undefined> {
    while (!this.#ended) {
      try {
        const page = await this.#read(this.#next, LINES, WAIT_SECONDS);
        return this.#ended ? undefined : page;
      } catch (error) {
        if (this.#ended) return undefined;
        const known = BelfryError.is(error) ? error : undefined;
        if (known?.code !== "BELFRY_DATABASE_AWAY" && known?.code !== "BELFRY_BUDGET_SPENT") {
          if (known !== undefined) this.#outlet.send(failed(this.#version, this.#id, known));
          return undefined;
        }
        await pause(RETRY_PAUSE);
      }
    }
    return undefined;
  }

  async #read(first: number, count: number, waitSeconds: number): Promise<LogPage> {
    const params = { ...this.#wish, first, count, waitSeconds } as Json;
    return (await this.#ask(params, this.#gone.signal)) as unknown as LogPage;
  }

  #tell({ items, next, lines, finished, truncated }: LogPage): void {
    const params = { subscription: this.#id, items, next, lines, finished, truncated };
    this.#outlet.send(notification(this.#version, "logs.lines", JSON.stringify(params)));
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function pause(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}
