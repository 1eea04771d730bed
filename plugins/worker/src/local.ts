import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { defineWorker, z } from "belfry";
import { folderName } from "./build-folder.ts";
import { LocalWorker } from "./local-worker.ts";

/** A worker on the master's own machine: `localWorker({ slots: 4 })`. */
export const localWorker = defineWorker({
  kind: "local",
  options: z.strictObject({
    slots: z.int().min(1).max(1_000).optional().describe("builds at a time; default: the number of cores"),
    folder: z
      .string()
      .min(1)
      .optional()
      .describe("where its builds are; default: workers/<name> in the master's folder"),
    env: z
      .record(z.string().regex(/^[^=\0]+$/), z.string().nullable())
      .optional()
      .describe("variables for its commands against the master's environment; null takes one away"),
  }),
  create({ slots = availableParallelism(), folder, env = {} }, ctx) {
    const name = ctx.name || "local";
    const own = join(ctx.stateFolder, "workers", folderName(name));
    return new LocalWorker({
      name,
      slots,
      folder: folder === undefined ? resolve(own) : resolve(ctx.folder, folder),
      env,
      clock: ctx.clock,
    });
  },
});
