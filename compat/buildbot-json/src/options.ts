import { z } from "belfry";

const count = z.int().positive();

export const buildbotJsonOptions = z.strictObject({
  path: z
    .string()
    .regex(/^(\/[A-Za-z0-9._~-]+)+$/, 'expected a path such as "/json"')
    .default("/json")
    .describe("path on the HTTP server"),
  webUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe("what `buildbotURL` and the links to logs begin with; default: the HTTP server's own address"),
  crossOrigin: z
    .boolean()
    .default(true)
    .describe("let pages of any site read what anonymous may, by CORS or by `callback`, as it always was"),
  cachedBuilds: count.max(500).default(15).describe("how many of its newest builds a builder names in `cachedBuilds`"),
  numbersLimit: count.max(50_000).default(5_000).describe("how many of the newest build numbers `builds` has"),
  buildsLimit: count.max(500).default(100).describe("the most that `max` of `builds/_all` and `numbuilds` may ask for"),
  pendingLimit: count.max(5_000).default(500).describe("how many requests `pendingBuilds` has"),
  selectLimit: count.max(1_000).default(200).describe("how many `select=` a request may have"),
  answerLimit: count.default(16_777_216).describe("most characters of an answer; a larger one is refused"),
});

export type BuildbotJsonOptions = z.output<typeof buildbotJsonOptions>;
