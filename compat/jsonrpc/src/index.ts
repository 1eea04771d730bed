import { definePlugin, defineService } from "belfry";
import { jsonrpcOptions } from "./options.ts";
import { JsonrpcService } from "./service.ts";

/** The API of a master as JSON-RPC 2.0, at a path of the server of `@belfry/http`. */
export const jsonrpc = defineService({
  kind: "server",
  options: jsonrpcOptions,
  create: (options, ctx) => new JsonrpcService(options, ctx.container),
});

export default definePlugin({ name: "@belfry/jsonrpc", version: "0.1.0", parts: [jsonrpc] });
