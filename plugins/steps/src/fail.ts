import { type BuildStep, defineStep, RESULTS, z } from "belfry";
import { oneLine, renderText, text } from "./text.ts";

/** Ends with a result of your choice: a failure, unless told otherwise. */
export const fail = defineStep({
  kind: "fail",
  options: z.strictObject({
    message: text().optional().describe("why, shown as the step's summary"),
    result: z.enum(RESULTS).default("failure").describe("how the step ends"),
  }),
  create({ message, result }): BuildStep {
    const name = "fail";
    return {
      name,
      resumable: true,
      async run(ctx) {
        if (message === undefined) return { result, summary: "the configuration says so" };
        return { result, summary: oneLine(await renderText(ctx, message, name, "message")) };
      },
    };
  },
});
