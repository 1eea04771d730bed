import { definePlugin, defineService } from "belfry";
import { buildbotJsonOptions } from "./options.ts";
import { BuildbotJsonService } from "./service.ts";

/** The `/json` status API of Buildbot 0.8, at a path of the server of `@belfry/http`. */
export const buildbotJson = defineService({
  kind: "server",
  options: buildbotJsonOptions,
  create: (options, ctx) => new BuildbotJsonService(options, ctx.container),
});

export default definePlugin({ name: "@belfry/buildbot-json", version: "0.1.0", parts: [buildbotJson] });
