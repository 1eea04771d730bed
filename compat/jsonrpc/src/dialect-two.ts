import { BelfryError, type Json } from "belfry";
import { type CallContext, type Dialect, hasInexactId, isObject, type LooseRequest, refusal } from "./dialect.ts";
import { rpcError } from "./error-codes.ts";
import { faults } from "./errors.ts";
import { type JaysonResponse, jaysonServer } from "./jayson.ts";
import { named } from "./positions.ts";

interface Call extends CallContext {
  name: string;
}

async function run(params: unknown, { name, methods, ...call }: Call): Promise<Json> {
  const byName = Array.isArray(params) ? named(methods.find(name), params) : (params ?? {});
  return methods.call(name, byName, { ...call, version: "2.0" });
}

/** JSON-RPC 2.0. jayson's server judges and dispatches the requests; what it gets wrong is put right around it. */
export function dialectTwo(): Dialect {
  // The handler never throws: jayson would let that through to the caller of `server.call`.
  const server = jaysonServer<Call>(2, (params, context, callback) => {
    run(params, context).then(
      (result) => callback(null, result),
      (error) => callback(rpcError(BelfryError.is(error) ? error : context.report(error))),
    );
  });

  return {
    refusal,
    idOf: (request) => (isObject(request) && request.id === undefined ? undefined : readableId(request)),
    notification: (method, params) => `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${params}}`,
    answer(request, context) {
      const id = readableId(request);
      // jayson parses a string and unfolds an array, here too, where neither can be a request.
      if (!isObject(request) || hasInexactId(request))
        return Promise.resolve(refusal(faults.requestInvalid(reasonOf(request)), id));
      // jayson takes a null id for none and would not answer; the specification has it answered.
      if (request.id === null) request.id = 0;
      return new Promise((resolve) => {
        server.call(request, { name: request.method, ...context } as Call, (error, success) => {
          const response: JaysonResponse | undefined = error ?? success;
          if (response === undefined) return resolve(undefined);
          if (response.error?.code === -32_600) return resolve(refusal(faults.requestInvalid(reasonOf(request)), id));
          response.id = id;
          resolve(response);
        });
      });
    },
  };
}

/** The id, if it can be sent back as it came. */
function readableId(request: unknown): string | number | null {
  if (!isObject(request) || hasInexactId(request)) return null;
  return typeof request.id === "string" || typeof request.id === "number" ? request.id : null;
}

/** Why something is not a request, in words. */
function reasonOf(request: unknown): string {
  if (!isObject(request)) return "It is not an object.";
  if (request.jsonrpc === undefined) return 'It has no member "jsonrpc", and version 1.0 has no batches.';
  if (request.jsonrpc !== "2.0") return 'Its member "jsonrpc" is not "2.0".';
  if (typeof request.method !== "string") return 'Its member "method" is not a string.';
  if (hasInexactId(request)) return INEXACT;
  if (!mayBeParams(request)) return 'Its member "params" is neither an object nor an array.';
  return "Its id is neither a string nor a number nor null.";
}

const mayBeParams = ({ params }: LooseRequest) =>
  params === undefined || (typeof params === "object" && params !== null);

export const INEXACT = "Its id is a number that cannot be sent back exactly; send it as a string.";
