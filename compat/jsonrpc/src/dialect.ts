import { type Api, type ApiMethod, BelfryError, type Caller, type Json } from "belfry";
import { type RpcError, rpcError } from "./error-codes.ts";
import { faults } from "./errors.ts";
import { jaysonServer } from "./jayson.ts";
import { named } from "./positions.ts";

/** Who asks, and until when. */
export interface CallContext {
  readonly caller: Caller;
  readonly signal: AbortSignal;
  /** Told of a fault inside; returns what the client is told. */
  report(error: unknown): BelfryError;
}

/** An answer as it is sent. */
export interface RpcResponse {
  jsonrpc: "2.0";
  id: string | number | null;
  result?: Json;
  error?: RpcError;
}

/** One version of the protocol. */
export interface Dialect {
  /** Runs one request of a body, whatever it is, and never rejects. `undefined` if no answer is sent. */
  answer(request: unknown, context: CallContext): Promise<RpcResponse | undefined>;
  /** The id that the answer to a request has; `undefined` for a notification, which gets none. */
  idOf(request: unknown): RpcResponse["id"] | undefined;
  /** The answer to something that was not run. */
  refusal(error: BelfryError, id: RpcResponse["id"]): RpcResponse;
}

/** JSON-RPC 2.0. jayson's server judges and dispatches the requests; what it gets wrong is put right around it. */
export function dialectTwo(api: Api): Dialect {
  interface Call extends CallContext {
    name: string;
  }

  let methods = new Map<string, ApiMethod>();
  const methodOf = (name: string): ApiMethod | undefined => {
    if (!methods.has(name)) methods = new Map(api.methods().map((method) => [method.name, method]));
    return methods.get(name);
  };

  const call = async (params: unknown, { name, caller, signal }: Call): Promise<Json> => {
    const byName = Array.isArray(params) ? named(methodOf(name), params) : (params ?? {});
    return api.call(name, byName, caller, signal);
  };

  // The handler never throws: jayson would let that through to the caller of `server.call`.
  const server = jaysonServer<Call>(2, (params, context, callback) => {
    call(params, context).then(
      (result) => callback(null, result),
      (error) => callback(rpcError(BelfryError.is(error) ? error : context.report(error))),
    );
  });

  const refusal = (error: BelfryError, id: RpcResponse["id"]): RpcResponse => ({
    jsonrpc: "2.0",
    id,
    error: rpcError(error),
  });

  const idOf = (request: unknown) => (isObject(request) && request.id === undefined ? undefined : readableId(request));

  return {
    refusal,
    idOf,
    answer(request, { caller, signal, report }) {
      const id = readableId(request);
      // jayson parses a string and unfolds an array, here too, where neither can be a request.
      if (!isObject(request) || hasInexactId(request))
        return Promise.resolve(refusal(faults.requestInvalid(reasonOf(request)), id));
      // jayson takes a null id for none and would not answer; the specification has it answered.
      if (request.id === null) request.id = 0;
      return new Promise((resolve) => {
        server.call(request, { name: request.method, caller, signal, report } as Call, (error, success) => {
          const response = (error ?? success) as RpcResponse | undefined;
          if (response === undefined) return resolve(undefined);
          if (response.error?.code === -32_600) return resolve(refusal(faults.requestInvalid(reasonOf(request)), id));
          response.id = id;
          resolve(response);
        });
      });
    },
  };
}

interface LooseRequest {
  jsonrpc?: unknown;
  id?: unknown;
  method?: unknown;
  params?: unknown;
}

function isObject(value: unknown): value is LooseRequest {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function hasInexactId({ id }: LooseRequest): boolean {
  return typeof id === "number" && !(Number.isSafeInteger(id) || (Number.isFinite(id) && !Number.isInteger(id)));
}

/** The id, if it can be sent back as it came. */
function readableId(request: unknown): RpcResponse["id"] {
  if (!isObject(request) || hasInexactId(request)) return null;
  return typeof request.id === "string" || typeof request.id === "number" ? request.id : null;
}

/** Why something is not a request, in words. */
function reasonOf(request: unknown): string {
  if (!isObject(request)) return "It is not an object.";
  if (request.jsonrpc === undefined)
    return 'It has no member "jsonrpc"; version 1.0 of the protocol is not spoken here.';
  if (request.jsonrpc !== "2.0") return 'Its member "jsonrpc" is not "2.0".';
  if (typeof request.method !== "string") return 'Its member "method" is not a string.';
  if (hasInexactId(request)) return "Its id is a number that cannot be sent back exactly; send it as a string.";
  if (request.params !== undefined && (typeof request.params !== "object" || request.params === null))
    return 'Its member "params" is neither an object nor an array.';
  return "Its id is neither a string nor a number nor null.";
}
