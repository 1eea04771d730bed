import { connect, type Socket } from "node:net";
import { faults } from "../errors/catalogue.ts";
import type { Json } from "../interfaces/values.ts";
import { FrameReader, frame } from "./frames.ts";
import { fromWire } from "./wire-error.ts";

/** Calls a running master through its socket. Calls may overlap. */
export class SocketClient {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #waiting = new Map<number, { resolve(value: Json): void; reject(error: unknown): void }>();
  #last = 0;

  private constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    const reader = new FrameReader();
    socket.on("data", (chunk) => {
      try {
        for (const message of reader.take(chunk)) this.#settle(message);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      for (const { reject } of this.#waiting.values()) reject(faults.masterNotRunning(path));
      this.#waiting.clear();
    });
  }

  /** Rejects with `BELFRY_MASTER_NOT_RUNNING` if nobody listens there. */
  static connect(path: string): Promise<SocketClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once("connect", () => {
        socket.removeAllListeners("error");
        resolve(new SocketClient(socket, path));
      });
      socket.once("error", (error: NodeJS.ErrnoException) => {
        reject(
          error.code === "EACCES" || error.code === "EPERM"
            ? faults.socketForbidden(path)
            : faults.masterNotRunning(path),
        );
      });
    });
  }

  /** The answer, or the BelfryError that the master gave; `as` is the caller that this one speaks for. */
  call(method: string, params: Json = {}, as?: Json): Promise<Json> {
    if (this.#socket.destroyed) return Promise.reject(faults.masterNotRunning(this.#path));
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(frame({ id, method, params, ...(as === undefined ? {} : { as }) }));
    });
  }

  /** True once nothing more comes of it. */
  get closed(): boolean {
    return this.#socket.destroyed;
  }

  close(): void {
    this.#socket.destroy();
  }

  #settle(message: Json): void {
    const { id, result, error } = message as { id: number; result?: Json; error?: Json };
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error !== undefined) waiting?.reject(fromWire(error));
    else waiting?.resolve(result ?? null);
  }
}
