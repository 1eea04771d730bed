import type { Duplex } from "node:stream";
import { type Caller, type Json, messageOf } from "belfry";
import type { RawData, WebSocket } from "ws";
import { answerBody } from "./body-answer.ts";
import { faults } from "./errors.ts";
import { EventTeller } from "./event-teller.ts";
import { LogTeller } from "./log-teller.ts";
import type { MethodCall } from "./methods.ts";
import type { EventWish, LogWish } from "./subscription-methods.ts";
import type { ConnectionParts } from "./web-sockets.ts";

/** With which number a connection is ended. */
export const CLOSE = { restart: 1012, notText: 1003, lapsed: 4401, silent: 4408 } as const;

/** What is told over a connection until it, or its connection, ends. */
export interface Teller {
  readonly kind: "events" | "log";
  start(): void;
  /** More can be sent now. */
  ready(): void;
  end(): void;
}

/** Where the tellers of a connection send. */
export interface Outlet {
  readonly signal: AbortSignal;
  /** True when nothing more should be sent until the tellers are told that it can. */
  readonly full: boolean;
  send(text: string): void;
  /** Sends a whole frame, made by `textFrame`. False when it is full now. */
  sendFrame(frame: Buffer): boolean;
}

/** So many bytes may wait to be sent; who does not read makes nobody else wait, and is not buffered. */
const MOST_WAITING = 16_384;
const NOTHING = Buffer.alloc(0);
/** How long the other side gets to agree to the end. */
const FAREWELL = 1_000;

/** One WebSocket: requests are answered as in the body of a POST, and what was subscribed to is told. */
export class Connection implements Outlet {
  readonly #socket: WebSocket;
  /** What the WebSocket goes over. */
  readonly #raw: Duplex;
  readonly #caller: Caller;
  readonly #credentials: string;
  readonly #requestId: string;
  readonly #parts: ConnectionParts;
  readonly #gone = new AbortController();
  readonly #tellers = new Map<number, Teller>();
  #opening: NodeJS.Timeout | undefined;
  #lastId = 0;
  #running = 0;
  #alive = true;
  #full = false;

  constructor(
    socket: WebSocket,
    raw: Duplex,
    caller: Caller,
    credentials: string,
    requestId: string,
    parts: ConnectionParts,
  ) {
    this.#socket = socket;
    this.#raw = raw;
    this.#caller = caller;
    this.#credentials = credentials;
    this.#requestId = requestId;
    this.#parts = parts;
    this.#opening = setTimeout(() => void this.end(CLOSE.silent, "no message came"), parts.options.openTimeout);
    socket.on("message", (data, isBinary) => this.#onMessage(data, isBinary));
    socket.on("pong", () => {
      this.#alive = true;
    });
    socket.on("error", (error) => parts.log.debug({ requestId, error: error.message }, "a WebSocket failed"));
    socket.once("close", () => this.#onClose());
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  get full(): boolean {
    return this.#full;
  }

  send(text: string): void {
    this.#socket.send(text);
    this.#measure();
  }

  sendFrame(frame: Buffer): boolean {
    // Without compression `ws` itself sends every frame whole and at once, so this can stand between two of its.
    if (this.#socket.readyState === this.#socket.OPEN) this.#raw.write(frame);
    this.#measure();
    return !this.#full;
  }

  /** Asks whether the other side is still there; ends the connection if it did not answer the last time. */
  ping(): void {
    // What is not read, for it waits here, may be the answer.
    if (!this.#alive && !this.#socket.isPaused) return this.#socket.terminate();
    this.#alive = false;
    this.#socket.ping();
  }

  /** Resolves once it is closed. */
  end(code: number, reason: string): Promise<void> {
    const { readyState, OPEN, CLOSED } = this.#socket;
    if (readyState === CLOSED) return Promise.resolve();
    const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    if (readyState === OPEN) this.#socket.close(code, reason);
    // The farewell of the other side cannot be heard while nothing is read.
    this.#socket.resume();
    const timer = setTimeout(() => this.#socket.terminate(), FAREWELL);
    return closed.finally(() => clearTimeout(timer));
  }

  #onMessage(data: RawData, isBinary: boolean): void {
    clearTimeout(this.#opening);
    this.#opening = undefined;
    this.#alive = true;
    if (isBinary) return void this.end(CLOSE.notText, "requests are text");
    this.#running += 1;
    this.#pauseOrResume();
    void this.#answer(data as Buffer).finally(() => {
      this.#running -= 1;
      this.#pauseOrResume();
    });
  }

  async #answer(bytes: Buffer): Promise<void> {
    const { limits, methods, log } = this.#parts;
    const begun: Teller[] = [];
    const { text } = await answerBody(bytes, limits, {
      caller: this.#caller,
      signal: this.signal,
      methods,
      subscriptions: {
        events: (wish, call) => this.#tellEvents(wish, call, begun),
        log: (wish, call) => this.#tellLog(wish, call, begun),
        end: (kind, id) => this.#endTeller(kind, id),
      },
      report: (error) => {
        const stack = error instanceof Error ? error.stack : undefined;
        if (!this.signal.aborted)
          log.error({ requestId: this.#requestId, error: messageOf(error), stack }, "a call failed");
        return faults.internal(this.#requestId);
      },
    });
    if (this.signal.aborted) return;
    if (text !== undefined) this.send(text);
    // Nobody can read what a subscription tells before knowing its number.
    for (const teller of begun) teller.start();
  }

  async #tellEvents(wish: EventWish, { version }: MethodCall, begun: Teller[]) {
    const id = this.#nextId();
    const teller = new EventTeller(id, version, this, () => this.#tellers.delete(id));
    this.#tellers.set(id, teller);
    const since = await teller.subscribe(this.#parts.hub, this.#caller, this.#credentials, wish);
    begun.push(teller);
    return { subscription: id, since };
  }

  async #tellLog(wish: LogWish, { version }: MethodCall, begun: Teller[]) {
    const id = this.#nextId();
    const read = (params: Json, signal: AbortSignal) => this.#parts.api.call("logs.read", params, this.#caller, signal);
    const teller = new LogTeller(id, version, this, wish, read, () => this.#tellers.delete(id));
    this.#tellers.set(id, teller);
    await teller.open();
    begun.push(teller);
    return { subscription: id };
  }

  #nextId(): number {
    const { subscriptionLimit } = this.#parts.options;
    if (this.#tellers.size >= subscriptionLimit) throw faults.subscriptionsFull(subscriptionLimit);
    this.#lastId += 1;
    return this.#lastId;
  }

  #endTeller(kind: Teller["kind"], id: number): void {
    const teller = this.#tellers.get(id);
    if (teller?.kind !== kind) throw faults.subscriptionUnknown(id);
    teller.end();
    this.#tellers.delete(id);
  }

  /** When too much waits to be sent: nothing more until that has gone. */
  #measure(): void {
    if (this.#full || this.#raw.writableLength <= MOST_WAITING) return;
    this.#full = true;
    // Comes to its end behind everything that waits now.
    this.#raw.write(NOTHING, () => this.#onSent());
  }

  #onSent(): void {
    if (this.signal.aborted) return;
    this.#full = false;
    this.#pauseOrResume();
    for (const teller of [...this.#tellers.values()]) {
      if (this.#full) return;
      teller.ready();
    }
  }

  /** Reads no further requests while there are too many, or while their answers are not read. */
  #pauseOrResume(): void {
    if (this.#running >= this.#parts.options.callLimit || this.#full) this.#socket.pause();
    else this.#socket.resume();
  }

  #onClose(): void {
    clearTimeout(this.#opening);
    this.#gone.abort(new Error("The client has gone."));
    for (const teller of this.#tellers.values()) teller.end();
    this.#tellers.clear();
  }
}
