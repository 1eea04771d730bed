import { BelfryError, type Json } from "belfry";
import { type CallContext, type Dialect, hasInexactId, isObject, type RpcResponse } from "./dialect.ts";
import { INEXACT } from "./dialect-two.ts";
import { rpcError } from "./error-codes.ts";
import { faults } from "./errors.ts";
import { jaysonServer } from "./jayson.ts";
import { namedOne } from "./positions.ts";

interface Call extends CallContext {
  name: string;
}

async function run(params: unknown, { name, methods, ...call }: Call): Promise<Json> {
  const byName = namedOne(methods.find(name), params as unknown[]);
  return methods.call(name, byName, { ...call, version: "1.0" });
}

/**
 * JSON-RPC 1.0: `method`, `params` and `id` are all there, parameters are an array, a null id is a
 * notification, and an answer has both `result` and `error`, one of them null. An id may be any value.
 */
export function dialectOne(): Dialect {
  const server = jaysonServer<Call>(1, (params, context, callback) => {
    run(params, context).then(
      (result) => callback(null, result),
      (error) => callback(rpcError(BelfryError.is(error) ? error : context.report(error))),
    );
  });

  const refusal = (error: BelfryError, id: Json): RpcResponse => ({ id, result: null, error: rpcError(error) });

  return {
    refusal,
    idOf: (request) => (isObject(request) && request.id === null ? undefined : readableId(request)),
    notification: (method, params) => `{"id":null,"method":${JSON.stringify(method)},"params":[${params}]}`,
    answer(request, context) {
      const id = readableId(request);
      const reason = reasonOf(request);
      if (!isObject(request) || reason !== undefined)
        return Promise.resolve(refusal(faults.requestInvalidOne(reason ?? ""), id));
      return new Promise((resolve) => {
        const asked = { ...request, id: request.id === null ? null : 0 };
        server.call(asked, { name: request.method, ...context } as Call, (error, success) => {
          const response = error ?? success;
          if (response === undefined) return resolve(undefined);
          // jayson leaves the result out of an answer with an error.
          resolve({ id, result: (response.result ?? null) as Json, error: error?.error ?? null } as RpcResponse);
        });
      });
    },
  };
}

function readableId(request: unknown): Json {
  return isObject(request) && request.id !== undefined && !hasInexactId(request) ? (request.id as Json) : null;
}

/** Why something is not a request of version 1.0, in words. */
function reasonOf(request: unknown): string | undefined {
  if (!isObject(request)) return "It is not an object.";
  if (typeof request.method !== "string") return 'Its member "method" is not a string.';
  if (!Array.isArray(request.params)) return 'Its member "params" is not an array, as version 1.0 has it.';
  if (request.id === undefined) return 'It has no member "id"; a notification of version 1.0 has null there.';
  return hasInexactId(request) ? INEXACT : undefined;
}
