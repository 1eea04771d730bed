import { Command, CommanderError } from "commander";
import { faults } from "../errors/catalogue.ts";
import { version } from "../version.ts";
import type { CliCommand, Positional } from "./cli-command.ts";
import { COMMANDS, loadCommands } from "./command-table.ts";
import { AGAIN, EXIT, exitCodeOf } from "./exit-code.ts";
import { failureJson, failureText } from "./failure-report.ts";
import { Interruption } from "./interruption.ts";
import { Output } from "./output.ts";
import { type CommonOptions, Session } from "./session.ts";

/** The `belfry` program: does what these arguments say, and ends the process with an exit code. */
export async function main(argv: string[]): Promise<void> {
  const gone = new AbortController();
  const out = new Output(1, process.env, () => gone.abort(new Error("nobody reads the output any more")));
  const err = new Output(2, process.env);
  let code: number;
  try {
    code = await run(argv, out, err, gone);
  } catch (thrown) {
    const { error, refusal } = thrown instanceof Refused ? thrown : { error: thrown };
    code = exitCodeOf(error, refusal);
    if (argv.includes("--json")) out.line(JSON.stringify(failureJson(error)));
    else err.line(failureText(error, err.paint));
  }
  await Promise.all([out.flush(), err.flush()]);
  if (code === AGAIN) becomeItself();
  // A plugin's leftover must not keep a command from ending.
  process.exit(code);
}

/** Puts a new process in the place of this one, under the same number, so that whoever watches over it sees no end. */
function becomeItself(): never {
  const { execPath, execArgv, argv, env } = process;
  process.removeAllListeners("warning");
  process.execve?.(execPath, [execPath, ...execArgv, ...argv.slice(1)], env);
  throw new Error("this system cannot put a program in the place of another");
}

async function run(argv: string[], out: Output, err: Output, gone: AbortController): Promise<number> {
  const interruption = new Interruption();
  const signal = AbortSignal.any([gone.signal, interruption.signal]);
  let code: number = EXIT.fine;
  const program = makeProgram(out, err);
  const add = (cli: CliCommand) => {
    if (program.commands.some((known) => known.name() === cli.name)) return;
    const command = inherit(program.command(cli.name).description(cli.summary), program);
    cli.define(command);
    command.action(async (...given: unknown[]) => {
      const positional = given.slice(0, -2) as Positional;
      const options = given.at(-2) as Record<string, unknown>;
      const session = new Session(program.opts<CommonOptions>(), {
        cwd: process.cwd(),
        out,
        err,
        signal,
        commands: () => loadCommands(Object.keys(COMMANDS)),
      });
      if (cli.name !== "start") interruption.listen();
      try {
        code = await cli.run(session, positional, options);
      } catch (error) {
        if (!signal.aborted) throw new Refused(error, cli.refusal);
        code = interruption.signal.aborted ? EXIT.interrupted : EXIT.fine;
      } finally {
        session.close();
      }
    });
  };

  const wanted = firstOperand(argv);
  const known = wanted !== undefined && Object.hasOwn(COMMANDS, wanted);
  for (const cli of await loadCommands(known ? [wanted] : Object.keys(COMMANDS))) add(cli);
  if (!known) {
    const { pluginCommands } = await import("./plugin-commands.ts");
    const { commands, problem } = await pluginCommands(commonOptions(argv), process.cwd());
    for (const cli of commands) add(cli);
    const isHelp = wanted === undefined || wanted === "help";
    if (problem !== undefined && !argv.includes("--version") && !argv.includes("-V")) {
      const note = "Commands of plugins are not known: the configuration cannot be used (`belfry check` tells why).";
      if (isHelp) program.addHelpText("after", `\n${note}`);
      else if (!program.commands.some((command) => command.name() === wanted)) {
        throw faults.usage(`There is no command "${wanted}". ${note}`);
      }
    }
  }
  try {
    await program.parseAsync(argv.length === 0 ? ["help"] : argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0 || error.code === "commander.help") return EXIT.fine;
    throw faults.usage(sentence(error.message));
  }
  return code;
}

function makeProgram(out: Output, err: Output): Command {
  const program = new Command("belfry")
    .description("A build master made of a small core and plugins.")
    .version(version, "-V, --version", "show the version")
    .option("--config <file>", "the configuration (default: belfry.config.ts in this folder)")
    .option("--state <folder>", "the master's own folder (default: .belfry beside the configuration)")
    .option("--json", "print JSON, for programs")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show help for a command")
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => out.write(text),
      // Refusals are told by `main`, in one form for all of them.
      writeErr: () => undefined,
      getOutHelpWidth: () => (out.isTerminal ? process.stdout.columns || 80 : 100),
      getErrHelpWidth: () => (err.isTerminal ? process.stderr.columns || 80 : 100),
      getOutHasColors: () => out.paint.on,
      getErrHasColors: () => err.paint.on,
    });
  return program;
}

function inherit(command: Command, program: Command): Command {
  return command.copyInheritedSettings(program).helpOption("-h, --help", "show help");
}

/** A command's failure, with what it counts as. */
class Refused {
  readonly error: unknown;
  readonly refusal: number | undefined;

  constructor(error: unknown, refusal: number | undefined) {
    this.error = error;
    this.refusal = refusal;
  }
}

/** The first argument that is no option and no option's value: the command. */
function firstOperand(argv: readonly string[]): string | undefined {
  for (let i = 0; i < argv.length; i += 1) {
    const arg = argv[i] as string;
    if (arg === "--config" || arg === "--state") i += 1;
    else if (arg === "--help" || arg === "-h") return undefined;
    else if (!arg.startsWith("-")) return arg;
  }
  return undefined;
}

/** `--config` and `--state`, before commander can know which commands there are. */
function commonOptions(argv: readonly string[]): CommonOptions {
  const value = (name: string) => {
    const place = argv.indexOf(name);
    return place >= 0 ? argv[place + 1] : argv.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
  };
  return { config: value("--config"), state: value("--state") };
}

function sentence(message: string): string {
  const text = message.replace(/^error: /, "").replace(/\n/g, " ");
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?)]$/.test(whole) ? whole : `${whole}.`;
}
