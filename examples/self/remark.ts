import { definePlugin, defineService, type Service, z } from "belfry";

/** Tells the user something once the master runs, and does nothing else. */
export const remark = defineService({
  kind: "remark",
  options: z.strictObject({ text: z.string() }),
  create: ({ text }): Service => ({
    async start() {},
    async stop() {},
    describe: () => [text],
  }),
});

export default definePlugin({ name: "belfry-self-remark", version: "0.1.0", parts: [remark] });
