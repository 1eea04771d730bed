import { type BuildStep, defineStep, z } from "belfry";
import { path, renderPath } from "./build-path.ts";
import { fileOutcome } from "./file-outcome.ts";

/** Copies a file or a whole folder on the worker; what exists is overwritten. */
export const copy = defineStep({
  kind: "copy",
  options: z.strictObject({
    from: path.describe("what to copy, relative to the build's folder or absolute"),
    to: path.describe("where the copy goes: its own path, not the folder that it goes into"),
  }),
  create({ from, to }): BuildStep {
    const name = typeof from === "string" && typeof to === "string" ? `copy ${from} to ${to}` : "copy";
    return {
      name,
      resumable: true,
      async run(ctx) {
        const source = await renderPath(ctx, from, name, "from");
        const target = await renderPath(ctx, to, name, "to");
        return fileOutcome(ctx, `copy "${source}" to "${target}"`, () => ctx.worker.copy(source, target));
      },
    };
  },
});
