import { definePlugin, defineService } from "belfry";
import { HTTP_SERVER } from "./http-server.ts";
import { Mounts } from "./mounts.ts";
import { httpOptions } from "./options.ts";
import { HttpService } from "./service.ts";

export type { Arrival, HttpContext, HttpServer, HttpState, Identifier, Mount, Upgrade } from "./http-server.ts";
export { HTTP_SERVER } from "./http-server.ts";
export { PacedAnswer } from "./paced-answer.ts";

/** The HTTP server of a master. Other plugins mount themselves on it through {@link HTTP_SERVER}. */
export const http = defineService({
  kind: "server",
  options: httpOptions,
  create: (options, ctx) => new HttpService(options, ctx.container, () => ctx.container.resolve(HTTP_SERVER) as Mounts),
});

export default definePlugin({
  name: "@belfry/http",
  version: "0.1.0",
  parts: [http],
  register: (host) => host.share(HTTP_SERVER, (container) => new Mounts(container)),
});
