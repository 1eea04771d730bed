import { definePlugin, defineService } from "belfry";
import { cctrayOptions } from "./options.ts";
import { CctrayService } from "./service.ts";

/** The builders as `cc.xml`, at paths of the server of `@belfry/http`. */
export const cctray = defineService({
  kind: "server",
  options: cctrayOptions,
  create: (options, ctx) => new CctrayService(options, ctx.container),
});

export default definePlugin({ name: "@belfry/cctray", version: "0.1.0", parts: [cctray] });
