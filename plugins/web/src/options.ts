import { z } from "belfry";

const count = z.int().positive();

export const webOptions = z.strictObject({
  title: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe("what this installation calls itself on every page; without it, the configuration's `title`"),
  crawlers: z.boolean().default(false).describe("let search engines read the pages; logs are kept from them always"),
  streamLimit: count.default(1_000).describe("how many pages may be kept up to date at a time"),
  clientLimit: count.default(50).describe("how many of them one client may have: the owner of a token, or an address"),
  pagesPerMinute: count
    .max(1_000_000)
    .default(1_200)
    .describe(
      "how many pages a minute are made for one client; what was made for somebody already, and 304, costs nothing",
    ),
});

export type WebOptions = z.output<typeof webOptions>;
