import { loadConfigFile } from "../config/load.ts";
import type { Command, CommandContext, ConfiguredAccess } from "../interfaces/command.ts";
import type { Json } from "../interfaces/values.ts";
import type { Master } from "../master.ts";
import type { CliCommand } from "./cli-command.ts";
import { installedCommands } from "./installed-commands.ts";
import { Output } from "./output.ts";
import { type CommonOptions, Session } from "./session.ts";

/**
 * The commands that plugins add: those of the configuration, and those of plugins that are installed
 * here and need none for it. `problem` is why a configuration that is there cannot be used.
 */
export async function pluginCommands(
  options: CommonOptions,
  cwd: string,
): Promise<{ commands: CliCommand[]; problem?: unknown }> {
  const silent = new Output(1, {});
  const installed = (await installedCommands(cwd)).map((command) => adapt(command, cwd));
  const session = new Session(options, { cwd, out: silent, err: silent, signal: new AbortController().signal });
  try {
    const { value, folder } = await loadConfigFile(session.configFile);
    const [{ Master }, { coreMethodNames }] = await Promise.all([import("../master.ts"), import("../api/core-api.ts")]);
    const master = new Master(value, { folder, stateFolder: session.stateFolder });
    const access = accessOf(master, coreMethodNames());
    const configured = master.registry.commands.map(({ command }) => adapt(command, folder, access));
    return { commands: [...configured, ...installed] };
  } catch (problem) {
    const missing = (problem as { code?: string }).code === "BELFRY_CONFIG_NOT_FOUND" && options.config === undefined;
    return missing ? { commands: installed } : { commands: installed, problem };
  }
}

/** Taken from the configuration, since no master has to run. */
function accessOf({ generation, registry }: Master, core: ConfiguredAccess["methods"]): ConfiguredAccess {
  const { anonymous, visible } = generation;
  const builders = [...generation.builders.values()].map(({ name, project, tags }) => ({
    builder: name,
    project,
    tags,
  }));
  const methods = [...core, ...registry.methods.map(({ method }) => method)].map(({ name, permission }) => ({
    name,
    permission,
  }));
  return { builders, methods, anonymous, ...(visible && { visible }) };
}

function adapt(command: Command, folder: string, access?: ConfiguredAccess): CliCommand {
  const { arguments: places = [], options: extras = [] } = command;
  return {
    name: command.name,
    summary: command.summary,
    define(target) {
      for (const { name, summary } of places) target.argument(name, summary);
      for (const { flags, summary } of extras) target.option(flags, summary);
    },
    run(session, positional, options) {
      const args: Record<string, string | string[] | boolean | undefined> = { ...(options as Record<string, string>) };
      for (const [i, { name }] of places.entries()) args[name.replace(/[<>[\].]/g, "")] = positional[i];
      const ctx: CommandContext = {
        args,
        folder,
        json: session.json,
        signal: session.signal,
        ...(access && { access }),
        call: (method, params: Json = {}) => session.call(method, params),
        print: (line) => session.out.line(line),
        printJson: (value) => session.out.line(JSON.stringify(value)),
      };
      return command.run(ctx);
    },
  };
}
