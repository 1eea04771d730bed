import { type BuildStep, defineStep, type StepContext, type StepResult, z } from "belfry";
import { nameOfCommand } from "./command-line.ts";
import { type CommandSettings, commandOptions, renderSettings } from "./command-options.ts";
import { outcomeOf } from "./command-outcome.ts";
import { linePatterns } from "./line-patterns.ts";
import { type CountingSettings, countingOptions, WarningCounter } from "./warning-counter.ts";

/** What compilers call a warning: "x.c:3: warning: …", "warning[E0061]", "warning C4996:". */
const COMPILERS = /\bwarning(\s*[:[(]|\s+[A-Z]{1,4}\d+)/i;

/** Runs a compiler, or a program that runs some, and counts its warnings. */
export const compile = defineStep({
  kind: "compile",
  options: z.strictObject({
    ...commandOptions,
    ...countingOptions,
    patterns: linePatterns
      .min(1)
      .default([COMPILERS])
      .describe("what lines with a warning look like; default: as compilers write them"),
  }),
  create: (options) => counting("compile", options),
});

/** Runs a command and counts the lines that match patterns: a linter, a checker of links. */
export const warnings = defineStep({
  kind: "warnings",
  options: z.strictObject({
    ...commandOptions,
    ...countingOptions,
    patterns: linePatterns.min(1).describe("what lines with a warning look like"),
  }),
  create: (options) => counting(nameOfCommand(options.command, "warnings"), options),
});

function counting(name: string, options: CommandSettings & CountingSettings): BuildStep {
  return {
    name,
    resumable: true,
    async run(ctx: StepContext): Promise<StepResult> {
      const counter = new WarningCounter(options);
      const command = await renderSettings(ctx, options, name);
      const ended = await ctx.worker.run({ ...command, onLine: (line) => counter.line(line) });
      ctx.signal.throwIfAborted();
      return counter.finish(ctx, outcomeOf(ended, options));
    },
  };
}
