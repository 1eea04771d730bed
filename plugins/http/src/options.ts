import { duration, z } from "belfry";

const bytes = z.int().positive();

export const httpOptions = z.strictObject({
  host: z.string().min(1).max(255).default("127.0.0.1").describe("address to listen at"),
  port: z.int().min(0).max(65_535).default(8010).describe("port to listen at; 0 takes any free one"),
  trustedHosts: z
    .array(z.string().regex(/^[^\s/@]+$/, 'expected a name such as "ci.example.com", with or without ":port"'))
    .max(1_000)
    .default([])
    .describe("further names under which the server may be asked; with a port only at that port"),
  allowedOrigins: z
    .array(z.string().regex(/^https?:\/\/[^\s/]+$/, 'expected an origin such as "https://dashboard.example.com"'))
    .max(1_000)
    .default([])
    .describe("other sites whose pages may ask this server"),
  proxy: z.boolean().default(false).describe("believe X-Forwarded-* headers; only behind a proxy that sets them"),
  bodyLimit: bytes
    .default(1_048_576)
    .describe("largest body of a request, in bytes, where a plugin sets no other limit"),
  bodyTimeout: duration.default(10_000).describe("time in which a body has to arrive"),
  headerLimit: bytes.max(1_048_576).default(16_384).describe("largest head of a request, in bytes"),
  headersTimeout: duration.default(10_000).describe("time in which the head of a request has to arrive"),
  keepAliveTimeout: duration.default(60_000).describe("time for which an idle connection is kept"),
  stallTimeout: duration.default(60_000).describe("time after which a client that does not take its answer is cut off"),
  maxConnections: z.int().positive().default(1_000).describe("connections at a time; further ones are closed"),
  grace: duration.default(5_000).describe("time that running requests get to end when the server stops"),
});

export type HttpOptions = z.output<typeof httpOptions>;
