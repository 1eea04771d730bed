import { type BuildStep, defineStep, z } from "belfry";
import { path, renderPath } from "./build-path.ts";
import { fileOutcome } from "./file-outcome.ts";

/** Makes a folder on the worker, and those above it. Harmless if it exists. */
export const mkdir = defineStep({
  kind: "mkdir",
  options: z.strictObject({ path: path.describe("the folder, relative to the build's folder or absolute") }),
  create({ path }): BuildStep {
    const name = typeof path === "string" ? `mkdir ${path}` : "mkdir";
    return {
      name,
      resumable: true,
      async run(ctx) {
        const folder = await renderPath(ctx, path, name, "path");
        return fileOutcome(ctx, `make "${folder}"`, () => ctx.worker.mkdir(folder));
      },
    };
  },
});
