import type { Json } from "belfry";

/** How a client reaches its master. */
export interface Transport {
  /** For messages: `http://127.0.0.1:8010/rpc`. */
  readonly where: string;
  /** One call. Rejects with the master's BelfryError, with one of the client's, or with the signal's reason. */
  call(method: string, params: Json, signal?: AbortSignal): Promise<Json>;
  /**
   * Where the master tells by itself: the answer to a subscribing call, and then the parameters of
   * its notifications. Ends early when they are not taken fast enough: subscribe again, from there on.
   */
  subscribe?(subscribe: string, unsubscribe: string, params: Json, signal?: AbortSignal): AsyncGenerator<Json>;
  close(): Promise<void>;
}
