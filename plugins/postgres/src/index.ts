import { defineDatabase, definePlugin, duration, z } from "belfry";
import { PostgresDatabase, type PostgresOptions } from "./database.ts";

/** Keeps everything in a PostgreSQL database: for several masters, or a large farm. */
export const postgres = defineDatabase({
  kind: "database",
  options: z.object({
    url: z
      .union([
        z.string().min(1),
        z.custom<() => string | Promise<string>>((value) => typeof value === "function", {
          error: "expected an address, or a function that gives one",
        }),
      ])
      .optional()
      .describe(
        "postgresql://user:password@host:port/database, or a function that gives it; else PGHOST and its kin count",
      ),
    pool: z.int().min(1).max(1_000).default(10).describe("most connections for reads and writes; one more listens"),
    connectTimeout: duration.default(10_000).describe("how long one attempt to connect, and the whole start, may take"),
    reconnectTimeout: duration.default(60_000).describe("how long reads and writes wait for a server that went away"),
    statementTimeout: duration.default(30_000).describe("how long one statement may take, waiting for locks included"),
    slowLimit: duration
      .default(10_000)
      .describe("how long nothing may happen in a transaction before it is taken back"),
  }),
  create: (options) => new PostgresDatabase(options as PostgresOptions),
});

export default definePlugin({ name: "@belfry/postgres", version: "0.1.0", parts: [postgres] });
