import {
  duration,
  RESULTS,
  type Renderable,
  type RenderContext,
  type Result,
  renders,
  type StepCommand,
  type StepContext,
  z,
} from "belfry";
import { path, renderPath } from "./build-path.ts";
import { type CommandLine, commandLine, renderCommand } from "./command-line.ts";
import { faults } from "./errors.ts";
import { asText, type Text, text } from "./text.ts";

type Env = Record<string, Text | null>;
type Variables = Record<string, string | null>;
type Environment = Env | Renderable<Variables> | ((ctx: RenderContext) => Variables | Promise<Variables>);

const time = duration.refine((millis) => millis > 0, "must be longer than nothing");

/** The options of steps that run one command. */
export const commandOptions = {
  command: commandLine.describe("a line for the worker's shell, or a list of a program and its arguments"),
  workdir: path.optional().describe("folder to run it in, relative to the build's folder; must exist"),
  env: (
    renders(z.record(z.string().regex(/^[^=\0]+$/), z.union([z.null(), text()]))) as unknown as z.ZodType<
      Environment,
      Environment
    >
  )
    .optional()
    .describe("added to the worker's environment; null takes a variable away"),
  timeout: z
    .union([time, z.null()])
    .prefault("20m")
    .describe("ends the command when it has printed nothing for so long; null for no limit"),
  input: text().optional().describe("written to its standard input"),
  killGrace: time.optional().describe("time between SIGTERM and SIGKILL"),
  decodeRc: z
    .record(z.string().regex(/^\d{1,10}$/, "expected an exit code"), z.enum(RESULTS))
    .default({})
    .describe("results of exit codes, where they are not 0 for success and everything else for failure"),
  log: z.string().min(1).max(100).default("stdio").describe("name of the log that gets the output"),
  quiet: z.boolean().default(false).describe("keeps no log of the command and its output"),
};

export interface CommandSettings {
  command: CommandLine;
  workdir?: Text | undefined;
  env?: Environment | undefined;
  timeout: number | null;
  input?: Text | undefined;
  killGrace?: number | undefined;
  decodeRc: Record<string, Result>;
  log: string;
  quiet: boolean;
}

/** Computes what depends on the build. */
export async function renderSettings(ctx: StepContext, options: CommandSettings, step: string): Promise<StepCommand> {
  const command: StepCommand = {
    command: await renderCommand(ctx, options.command, step),
    log: options.quiet ? null : options.log,
  };
  if (options.workdir !== undefined) command.cwd = await renderPath(ctx, options.workdir, step, "workdir");
  if (options.env !== undefined) command.env = await renderEnv(ctx, options.env, step);
  if (options.timeout !== null) command.timeout = options.timeout;
  if (options.input !== undefined) command.input = await renderInput(ctx, options.input, step);
  if (options.killGrace !== undefined) command.killGrace = options.killGrace;
  return command;
}

async function renderInput(ctx: StepContext, input: Text, step: string): Promise<string> {
  const computed: unknown = await ctx.render(input as unknown);
  const rendered = asText(computed);
  if (rendered === undefined) throw faults.computedWrong(step, "input", "a text", computed);
  return rendered;
}

async function renderEnv(ctx: StepContext, env: Environment, step: string): Promise<Variables> {
  const computed: unknown = await ctx.render(env as unknown);
  if (typeof computed !== "object" || computed === null || Array.isArray(computed)) {
    throw faults.computedWrong(step, "env", "an object of variables", computed);
  }
  const entries = Object.entries(computed).map(([name, value]): [string, string | null] => {
    const rendered = value === null ? null : asText(value);
    const bad = rendered === undefined || rendered?.includes("\0") || !/^[^=\0]+$/.test(name);
    if (bad) throw faults.computedWrong(step, `env.${name}`, "a text, or null", value);
    return [name, rendered];
  });
  return Object.fromEntries(entries);
}
