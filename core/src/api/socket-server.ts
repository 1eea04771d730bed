import { chmod, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { BelfryError } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { Json } from "../interfaces/values.ts";
import { administrator, type WireCaller } from "./callers.ts";
import type { CoreApi } from "./core-api.ts";
import { FrameReader, frame } from "./frames.ts";
import { toWire } from "./wire-error.ts";

const LONGEST_PATH = 100;
/** A caller that does not read its last answers is not waited for longer. */
const GRACE_MILLIS = 1_000;

/**
 * The master's socket: whoever can open it is the administrator, so its mode is 0600. Messages are
 * frames of `{ id, method, params }`, with `as` for a caller that it speaks for, answered by `{ id, result }` or `{ id, error }`, in any order.
 */
export class SocketServer {
  readonly #path: string;
  readonly #api: CoreApi;
  readonly #sockets = new Set<Socket>();
  /** Calls that change something, and are not answered yet. */
  readonly #changing = new Set<Promise<void>>();
  #server: Server | undefined;

  constructor(path: string, api: CoreApi) {
    this.#path = path;
    this.#api = api;
  }

  async start(): Promise<void> {
    if (Buffer.byteLength(this.#path) > LONGEST_PATH) throw faults.socketPath(this.#path);
    await rm(this.#path, { force: true });
    const server = createServer((socket) => this.#serve(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      // Before anybody may connect: the file must never be open to others, not even for a moment.
      const mask = process.umask(0o177);
      server.listen(this.#path, () => resolve());
      process.umask(mask);
    });
    await chmod(this.#path, 0o600);
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    // Whoever asked for something, perhaps for this stop, hears that it was done.
    const patience = new Promise((resolve) => setTimeout(resolve, GRACE_MILLIS).unref());
    await Promise.race([Promise.all(this.#changing), patience]);
    for (const socket of this.#sockets) socket.destroySoon();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, GRACE_MILLIS);
    await closed;
    clearTimeout(timer);
  }

  #serve(socket: Socket): void {
    const reader = new FrameReader();
    const gone = new AbortController();
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#sockets.delete(socket);
      gone.abort(new Error("the caller has gone"));
    });
    // Who does not read its answers is asked for no more calls meanwhile.
    socket.on("drain", () => socket.resume());
    socket.on("data", (chunk) => {
      try {
        for (const message of reader.take(chunk)) this.#take(socket, message, gone.signal);
      } catch {
        socket.destroy();
      }
    });
  }

  #take(socket: Socket, message: Json, signal: AbortSignal): void {
    const answered = this.#answer(socket, message, signal);
    const name = (message as { method?: Json } | null)?.method;
    if (typeof name !== "string" || this.#api.onlyReads(name)) return;
    this.#changing.add(answered);
    void answered.finally(() => this.#changing.delete(answered));
  }

  async #answer(socket: Socket, message: Json, signal: AbortSignal): Promise<void> {
    const { id = null, method, params, as } = (message ?? {}) as { [key: string]: Json };
    let answer: Json;
    try {
      const caller = as === undefined ? administrator : this.#api.callerFor(as as unknown as WireCaller);
      answer = { id, result: await this.#api.call(String(method), params, caller, signal) };
    } catch (error) {
      answer = { id, error: toWire(BelfryError.is(error) ? error : faults.internal("this call", error)) };
    }
    if (!socket.destroyed && !socket.write(frame(answer))) socket.pause();
  }
}
