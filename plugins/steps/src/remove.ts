import { type BuildStep, defineStep, z } from "belfry";
import { holds, path, renderPath } from "./build-path.ts";
import { faults } from "./errors.ts";
import { fileOutcome } from "./file-outcome.ts";

/** Removes a file or a whole folder on the worker. Harmless if there is none. */
export const remove = defineStep({
  kind: "remove",
  options: z.strictObject({ path: path.describe("what to remove, relative to the build's folder or absolute") }),
  create({ path }): BuildStep {
    const name = typeof path === "string" ? `remove ${path}` : "remove";
    return {
      name,
      resumable: true,
      async run(ctx) {
        const target = await renderPath(ctx, path, name, "path");
        if (holds(target, ctx.worker.folder)) throw faults.removesFolder(name);
        return fileOutcome(ctx, `remove "${target}"`, () => ctx.worker.remove(target));
      },
    };
  },
});
