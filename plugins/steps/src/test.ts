import { type BuildStep, defineStep, type StepContext, type StepResult, z } from "belfry";
import { commandOptions, renderSettings } from "./command-options.ts";
import { outcomeOf } from "./command-outcome.ts";
import { linePatterns } from "./line-patterns.ts";
import { TestReader } from "./test-counts.ts";

/** Runs tests; what the usual runners say at their end becomes figures, and the names of failed tests are kept. */
export const test = defineStep({
  kind: "test",
  options: z.strictObject({
    ...commandOptions,
    failing: linePatterns
      .default([])
      .describe("patterns of lines that name a failed test, as their first group or one called name"),
  }),
  create(options): BuildStep {
    const name = "test";
    return {
      name,
      resumable: true,
      async run(ctx) {
        const reader = new TestReader(options.failing);
        const command = await renderSettings(ctx, options, name);
        const ended = await ctx.worker.run({ ...command, onLine: (line) => reader.line(line) });
        ctx.signal.throwIfAborted();
        return withCounts(ctx, reader, outcomeOf(ended, options));
      },
    };
  },
});

function withCounts(ctx: StepContext, reader: TestReader, ended: StepResult): StepResult {
  const { counts, failing } = reader;
  const result = { ...ended, ...(failing.length > 0 && ended.result !== "success" ? { failing } : {}) };
  if (!counts) return result;
  const { total, passed, failed, skipped } = counts;
  ctx.statistic("tests", total);
  ctx.statistic("passed", passed);
  ctx.statistic("failed", failed);
  ctx.statistic("skipped", skipped);
  const left = skipped > 0 ? `, ${skipped} skipped` : "";
  if (failed > 0) return { ...result, summary: `${failed} of ${total} tests failed${left}` };
  const passing = `${passed} ${passed === 1 ? "test" : "tests"} passed${left}`;
  return { ...result, summary: ended.summary === undefined ? passing : `${ended.summary}, ${passing}` };
}
