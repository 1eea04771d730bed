import { definePlugin, defineService } from "belfry";
import { sseOptions } from "./options.ts";
import { SseService } from "./service.ts";

/** What happens at a master as server-sent events, at a path of the server of `@belfry/http`. */
export const sse = defineService({
  kind: "server",
  options: sseOptions,
  create: (options, ctx) => new SseService(options, ctx.container),
});

export default definePlugin({ name: "@belfry/sse", version: "0.1.0", parts: [sse] });
