import { type BuildStep, defineStep, type Json, type StepCommandResult, type StepResult, z } from "belfry";
import { nameOfCommand } from "./command-line.ts";
import { commandOptions, renderSettings } from "./command-options.ts";
import { outcomeOf } from "./command-outcome.ts";
import { faults } from "./errors.ts";
import { isJson } from "./json-value.ts";
import { propertyName } from "./property-name.ts";

/** Makes properties of a command's output. Called for every exit code. */
export type Extract = (
  stdout: string,
  stderr: string,
  code: number,
) => Record<string, Json> | Promise<Record<string, Json>>;

/** The most that is looked at, of standard output and of standard error. */
const LIMIT = 256 * 1024;

/** Runs a command and keeps what it prints as a property of the build. */
export const setPropertyFromCommand = defineStep({
  kind: "setPropertyFromCommand",
  options: z
    .strictObject({
      ...commandOptions,
      property: propertyName.optional().describe("gets the standard output of a command that succeeds"),
      extract: z
        .custom<Extract>((value) => typeof value === "function", "expected a function of (stdout, stderr, code)")
        .optional()
        .describe("instead: a function that makes properties of (stdout, stderr, code)"),
      strip: z.boolean().default(true).describe("takes white space away around the value of `property`"),
    })
    .refine(({ property, extract }) => (property === undefined) !== (extract === undefined), {
      path: ["property"],
      error: 'expected either "property" or "extract"',
    }),
  create(options): BuildStep {
    const name = nameOfCommand(options.command, "set property from command");
    return {
      name,
      resumable: true,
      async run(ctx) {
        const command = await renderSettings(ctx, options, name);
        const ended = await ctx.worker.run({ ...command, capture: LIMIT + 1 });
        ctx.signal.throwIfAborted();
        const outcome = outcomeOf(ended, options);
        if (ended.code === null || ended.killed !== null) return outcome;
        if (isTooLong(ended)) return tooLong;
        const found = await propertiesOf(ended, ended.code, outcome, options);
        ctx.signal.throwIfAborted();
        if (!isJson(found) || typeof found !== "object" || found === null || Array.isArray(found)) {
          throw faults.computedWrong(name, "extract", "a function that returns an object of properties", found);
        }
        for (const [property, value] of Object.entries(found)) ctx.properties.set(property, value);
        return outcome;
      },
    };
  },
});

async function propertiesOf(
  { stdout, stderr }: StepCommandResult,
  code: number,
  { result }: StepResult,
  { property, extract, strip }: { property?: string | undefined; extract?: Extract | undefined; strip: boolean },
): Promise<unknown> {
  if (extract !== undefined) return extract(stdout, stderr, code);
  if (property === undefined || (result !== "success" && result !== "warnings")) return {};
  return { [property]: strip ? stdout.trim() : stdout };
}

const tooLong: StepResult = { result: "failure", summary: `the output is longer than ${LIMIT / 1024} KiB` };

function isTooLong({ stdout, stderr }: StepCommandResult): boolean {
  return Buffer.byteLength(stdout) > LIMIT || Buffer.byteLength(stderr) > LIMIT;
}
