import { z } from "belfry";

export const cctrayOptions = z.strictObject({
  paths: z
    .array(z.string().regex(/^(\/[A-Za-z0-9._~-]+)+$/, 'expected a path such as "/cc.xml"'))
    .min(1)
    .default(["/cc.xml", "/cctray.xml"])
    .describe("paths on the HTTP server"),
  webUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("what the address of each builder's page begins with; default: the HTTP server's own address"),
  filterLimit: z
    .int()
    .positive()
    .max(10_000)
    .default(100)
    .describe("how many `builder=`, `tag=` and `branch=` a request may have in all"),
});

export type CctrayOptions = z.output<typeof cctrayOptions>;
