import { createRequire } from "node:module";
import type { Json } from "belfry";
import type { RpcError } from "./error-codes.ts";

// jayson's own types pull those of connect and WebSocket; these are the parts that are used.
export interface JaysonServer {
  call(
    request: unknown,
    context: object,
    callback: (error: JaysonResponse | undefined, response?: JaysonResponse) => void,
  ): void;
}

export interface JaysonResponse {
  jsonrpc?: "2.0";
  id: string | number | null;
  result?: Json;
  error?: RpcError;
}

export type JaysonHandler<Context> = (
  params: unknown,
  context: Context,
  callback: (error: object | null, result?: unknown) => void,
) => void;

const require = createRequire(import.meta.url);
const { Server, Method } = require("jayson") as {
  Server: new (methods: object, options: { version: 1 | 2; router: () => object }) => JaysonServer;
  Method: new (handler: JaysonHandler<never>, options: { useContext: true }) => object;
};

/** A server that hands every call to one handler. */
export function jaysonServer<Context>(version: 1 | 2, handler: JaysonHandler<Context>): JaysonServer {
  const method = new Method(handler as JaysonHandler<never>, { useContext: true });
  return new Server({}, { version, router: () => method });
}
