import { defineDatabase, definePlugin, duration, z } from "belfry";
import { SqliteDatabase } from "./database.ts";

/** Keeps everything in one SQLite file beside the master: the embedded default. */
export const sqlite = defineDatabase({
  kind: "database",
  options: z.object({
    file: z
      .string()
      .trim()
      .min(1)
      .refine(
        (file) => file !== ":memory:",
        "expected the path of a file: the database is opened by several connections",
      )
      .default("belfry.sqlite")
      .describe("path of the database; a relative one starts in the master's folder"),
    synchronous: z
      .enum(["full", "normal"])
      .default("full")
      .describe("full: a write is on the disk before it is acknowledged; normal: a power cut may lose the last ones"),
    lockTimeout: duration.default(30_000).describe("how long a write waits for a lock that another process holds"),
    slowLimit: duration.default(10_000).describe("how long one transaction may take before it is taken back"),
  }),
  create: (options) => new SqliteDatabase(options),
});

export default definePlugin({ name: "@belfry/sqlite", version: "0.1.0", parts: [sqlite] });
