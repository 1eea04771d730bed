import type { BelfryError, Caller, Json } from "belfry";
import { type RpcError, rpcError } from "./error-codes.ts";
import type { Methods } from "./methods.ts";
import type { Subscriptions } from "./subscription-methods.ts";

/** Who asks, for what, and until when. */
export interface CallContext {
  readonly caller: Caller;
  readonly signal: AbortSignal;
  readonly methods: Methods;
  /** Where notifications can be begun, over a connection that stays open. */
  readonly subscriptions?: Subscriptions;
  /** Told of a fault inside; returns what the client is told. */
  report(error: unknown): BelfryError;
}

export type Version = "1.0" | "2.0";

/** An answer as it is sent. */
export interface RpcResponse {
  jsonrpc?: "2.0";
  id: Json;
  result?: Json;
  error?: RpcError | null;
}

/** One version of the protocol. */
export interface Dialect {
  /** Runs one request of a body, whatever it is, and never rejects. `undefined` if no answer is sent. */
  answer(request: unknown, context: CallContext): Promise<RpcResponse | undefined>;
  /** The id that the answer to a request has; `undefined` for a notification, which gets none. */
  idOf(request: unknown): Json | undefined;
  /** The answer to something that was not run. */
  refusal(error: BelfryError, id: Json): RpcResponse;
  /** What is sent unasked. `params` is JSON. */
  notification(method: string, params: string): string;
}

/** What a request may have, whatever it is. */
export interface LooseRequest {
  jsonrpc?: unknown;
  id?: unknown;
  method?: unknown;
  params?: unknown;
}

export function isObject(value: unknown): value is LooseRequest {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True for an id that is a number and could not be sent back as it came. */
export function hasInexactId({ id }: LooseRequest): boolean {
  return typeof id === "number" && !(Number.isSafeInteger(id) || (Number.isFinite(id) && !Number.isInteger(id)));
}

/** An answer of version 2.0 with an error; also what is said where no version is known. */
export function refusal(error: BelfryError, id: Json): RpcResponse {
  return { jsonrpc: "2.0", id, error: rpcError(error) };
}
