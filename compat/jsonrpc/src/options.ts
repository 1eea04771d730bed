import { duration, z } from "belfry";

const count = z.int().positive();

export const jsonrpcOptions = z.strictObject({
  path: z
    .string()
    .regex(/^(\/[A-Za-z0-9._~-]+)+$/, 'expected a path such as "/rpc"')
    .default("/rpc")
    .describe("path on the HTTP server"),
  bodyLimit: count.default(1_048_576).describe("largest body of a request, or message of a WebSocket, in bytes"),
  depthLimit: count.max(1_000).default(64).describe("how many objects and arrays may be inside one another"),
  valueLimit: count.default(50_000).describe("how many commas, colons, objects and arrays a body may have in all"),
  batchLimit: count.default(100).describe("how many requests a batch may have"),
  batchConcurrency: count.max(100).default(8).describe("how many requests of a batch run at a time"),
  answerLimit: count.default(16_777_216).describe("after how many bytes of answers the rest of a batch is not run"),
  connectionLimit: count.default(2_000).describe("how many WebSockets may be open at a time"),
  subscriptionLimit: count.default(20).describe("how many subscriptions a WebSocket may have"),
  callLimit: count.default(32).describe("how many messages of a WebSocket are worked on at a time"),
  openTimeout: duration.default(10_000).describe("time in which a WebSocket has to send its first message"),
  pingInterval: duration.default(30_000).describe("how often a WebSocket is asked whether it is still there"),
  tokenInterval: duration.default(10_000).describe("how often the token of an open WebSocket is checked again"),
});

export type JsonrpcOptions = z.output<typeof jsonrpcOptions>;
