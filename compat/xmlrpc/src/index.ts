import { definePlugin, defineService } from "belfry";
import { xmlrpcOptions } from "./options.ts";
import { XmlrpcService } from "./service.ts";

/** The API of a master and the methods of old Buildbots as XML-RPC, at a path of the server of `@belfry/http`. */
export const xmlrpc = defineService({
  kind: "server",
  options: xmlrpcOptions,
  create: (options, ctx) => new XmlrpcService(options, ctx.container),
});

export default definePlugin({ name: "@belfry/xmlrpc", version: "0.1.0", parts: [xmlrpc] });
