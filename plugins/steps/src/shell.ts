import { type BuildStep, defineStep, z } from "belfry";
import { nameOfCommand } from "./command-line.ts";
import { commandOptions, renderSettings } from "./command-options.ts";
import { outcomeOf } from "./command-outcome.ts";

/** Runs a command in the build's folder. Succeeds when it exits with 0. */
export const shell = defineStep({
  kind: "shell",
  options: z.strictObject(commandOptions),
  create(options): BuildStep {
    const name = nameOfCommand(options.command, "shell");
    return {
      name,
      resumable: true,
      async run(ctx) {
        const ended = await ctx.worker.run(await renderSettings(ctx, options, name));
        ctx.signal.throwIfAborted();
        return outcomeOf(ended, options);
      },
    };
  },
});
