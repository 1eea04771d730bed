import { renders, type StepContext, z } from "belfry";
import { faults } from "./errors.ts";
import { asText, isComputed, oneLine, type Text, text } from "./text.ts";

/** A line for the worker's shell, or a program with its arguments, which no shell looks at. */
export type CommandLine = Text | readonly (Text | readonly string[])[];

const word = z.string().refine((value) => !value.includes("\0"), "must not hold a zero byte");

export const commandLine = renders(
  z.union([word.min(1), z.array(z.union([text(word), z.array(word)])).min(1)], {
    error: 'expected a line for the shell, such as "npm ci", or a list of a program and its arguments',
  }),
) as unknown as z.ZodType<CommandLine, CommandLine>;

/** Computes a command. Lists within the list are laid flat, so that a property may hold several arguments. */
export async function renderCommand(ctx: StepContext, command: CommandLine, step: string): Promise<string | string[]> {
  const computed: unknown = await ctx.render(command as unknown);
  if (!Array.isArray(computed)) {
    const line = asText(computed);
    if (line === undefined || line.trim() === "" || line.includes("\0")) throw wrong(step, computed);
    return line;
  }
  const words = computed.flat(8).map((item) => {
    const argument = asText(item);
    if (argument === undefined || argument.includes("\0")) throw wrong(step, item);
    return argument;
  });
  if (words[0] === undefined || words[0] === "") throw wrong(step, words);
  return words;
}

const wrong = (step: string, got: unknown) =>
  faults.computedWrong(step, "command", "a line for the shell, or a list of texts", got);

/** What a step is called by its command: "npm ci". Parts that are computed are shown as "…". */
export function nameOfCommand(command: CommandLine, fallback: string): string {
  if (isComputed(command)) return fallback;
  const words = (Array.isArray(command) ? command.flat() : [command]) as Text[];
  const shown = words.map((item) => (typeof item === "string" ? item : "…")).join(" ");
  return oneLine(shown, 60) || fallback;
}
