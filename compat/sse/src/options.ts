import { duration, z } from "belfry";

const count = z.int().positive();

export const sseOptions = z.strictObject({
  path: z
    .string()
    .regex(/^(\/[A-Za-z0-9._~-]+)+$/, 'expected a path such as "/events"')
    .default("/events")
    .describe("path on the HTTP server"),
  streamLimit: count.default(1_000).describe("how many streams may be open at a time"),
  clientLimit: count.default(50).describe("how many of them one client may have: the owner of a token, or an address"),
  heartbeat: duration.default(15_000).describe("how often a comment is sent, so that nobody takes a stream for dead"),
  retry: duration.default(2_000).describe("after what time a browser shall come back to a stream that broke"),
  tokenInterval: duration.default(10_000).describe("how often the token of an open stream is checked again"),
});

export type SseOptions = z.output<typeof sseOptions>;
