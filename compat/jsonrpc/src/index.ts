import { type Command, definePlugin, defineService } from "belfry";
import { jsonrpcOptions } from "./options.ts";
import { JsonrpcService } from "./service.ts";

/** The API of a master as JSON-RPC 2.0 and 1.0, at a path of the server of `@belfry/http`. */
export const jsonrpc = defineService({
  kind: "server",
  options: jsonrpcOptions,
  create: (options, ctx) => new JsonrpcService(options, ctx.container),
});

/** Runs a listener in a process of its own. What it needs is loaded when it is called. */
const listen: Command = {
  name: "listen",
  summary: "Run a listener in this process, told by a master here or elsewhere.",
  arguments: [{ name: "<file>", summary: "a file whose default export is a listener" }],
  options: [
    { flags: "--master <address>", summary: "URL of the master, or path of its socket (default: the master here)" },
    { flags: "--token <token>", summary: "token for the master (default: BELFRY_TOKEN of the environment)" },
    { flags: "--name <name>", summary: "keep its place at the master under this name; needs a token" },
    { flags: "--cursor-file <file>", summary: "keep its place in this file (default: beside the listener)" },
    { flags: "--from <where>", summary: 'where it begins without a place: "now" or "start"' },
  ],
  run: async (ctx) => (await import("./listen/command.ts")).runListen(ctx),
};

export default definePlugin({
  name: "@belfry/jsonrpc",
  version: "0.1.0",
  parts: [jsonrpc],
  register: (host) => host.commands.add(listen),
});
