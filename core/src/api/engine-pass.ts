import { BelfryError } from "../errors/belfry-error.ts";
import { faults } from "../errors/catalogue.ts";
import type { ApiMethod, Caller } from "../interfaces/api-method.ts";
import type { Json } from "../interfaces/values.ts";
import { toWireCaller } from "./callers.ts";
import { SocketClient } from "./socket-client.ts";

/** In a process without an engine: passes calls on to the one that has it, through its socket. */
export class EnginePass {
  /** True if this process writes the database itself. */
  readonly writes: boolean;
  readonly #path: string;
  #client: Promise<SocketClient> | undefined;

  constructor(path: string, writes: boolean) {
    this.#path = path;
    this.writes = writes;
  }

  /** Whether a method is carried out there. */
  takes({ place, permission }: ApiMethod): boolean {
    const where = place ?? (permission === "read" ? "here" : "writer");
    return where === "engine" || (where === "writer" && !this.writes);
  }

  /** Rejects with `BELFRY_ENGINE_AWAY` if nobody answers there. */
  async call(method: string, params: unknown, caller: Caller): Promise<Json> {
    const as = toWireCaller(caller);
    if (!as) throw faults.callerBound(method);
    try {
      return await (await this.#connected()).call(method, (params ?? {}) as Json, as);
    } catch (error) {
      const away =
        BelfryError.is(error) && ["BELFRY_MASTER_NOT_RUNNING", "BELFRY_SOCKET_FORBIDDEN"].includes(error.code);
      if (!away) throw error;
      this.#client = undefined;
      throw faults.engineAway(method, this.#path, error);
    }
  }

  async #connected(): Promise<SocketClient> {
    const client = await this.#client;
    if (client && !client.closed) return client;
    this.#client = SocketClient.connect(this.#path);
    return this.#client;
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    client?.close();
  }
}
