import { z } from "belfry";

const count = z.int().positive();

export const xmlrpcOptions = z.strictObject({
  path: z
    .string()
    .regex(/^(\/[A-Za-z0-9._~-]+)+$/, 'expected a path such as "/xmlrpc"')
    .default("/xmlrpc")
    .describe("path on the HTTP server; what is below it is answered, too"),
  bodyLimit: count.max(16_777_216).default(1_048_576).describe("largest body of a request, in bytes"),
  depthLimit: count.max(90).default(64).describe("how many arrays and structs may be inside one another"),
  valueLimit: count.default(20_000).describe("how many values a request may have in all"),
  multicallLimit: count.default(100).describe("how many calls a `system.multicall` may have"),
  answerLimit: count
    .default(16_777_216)
    .describe("after how many characters of answers the rest of a `system.multicall` is not run"),
  nil: z.boolean().default(false).describe("send nothing as <nil/>, for every client"),
  i8: z.boolean().default(false).describe("send whole numbers beyond 32 bits as <i8>, for every client"),
  base64: z.boolean().default(false).describe("send text that XML cannot carry as <base64>, for every client"),
  legacyShape: z
    .enum(["0.8.1", "0.7.10"])
    .default("0.8.1")
    .describe("`getLastBuilds` with nine fields, as from 0.7.11 on, or with seven, as up to 0.7.10"),
  buildbotURL: z
    .union([z.literal(""), z.url({ protocol: /^https?$/ })])
    .default("")
    .describe("what the `url` of `getBuild` begins with"),
  buildLimit: count.default(5_000).describe("how many builds an old method tells of at most"),
  errorLimit: count.default(200_000).describe("how many characters `full_error` has of each log, from its end"),
});

export type XmlrpcOptions = z.output<typeof xmlrpcOptions>;
