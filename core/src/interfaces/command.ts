import type { Caller, Scope, VisibilitySubject } from "./api-method.ts";
import type { Json } from "./values.ts";

/** What a configuration says of builders, methods and reading, without a master that runs. */
export interface ConfiguredAccess {
  readonly builders: readonly VisibilitySubject[];
  /** The methods of core and of the configuration's plugins. */
  readonly methods: readonly { readonly name: string; readonly permission: Scope }[];
  /** As `access` of the configuration has it. */
  readonly anonymous: "none" | "read";
  readonly visible?: (subject: VisibilitySubject, caller: Pick<Caller, "name" | "kind" | "scopes">) => boolean;
}

/** What a command of the `belfry` program is given. */
export interface CommandContext {
  /** Positional arguments by name, and options by their long name in camelCase. */
  readonly args: Readonly<Record<string, string | string[] | boolean | undefined>>;
  /** The folder of the configuration. */
  readonly folder: string;
  readonly json: boolean;
  readonly signal: AbortSignal;
  /** Of the configuration that the command belongs to; `undefined` where it comes without one. */
  readonly access?: ConfiguredAccess;
  /** Calls an API method of the running master through its socket. */
  call(method: string, params?: Json): Promise<Json>;
  /** A line on standard output. */
  print(line: string): void;
  /** The result when `--json` is given. */
  printJson(value: Json): void;
}

/**
 * One more command of the `belfry` program. It is there where the plugin is part of the configuration. A command that
 * works without one is named in the plugin's package.json, `"belfry": { "commands": ["listen"] }`: then `belfry` also
 * finds it where the package is a dependency in the nearest package.json.
 */
export interface Command {
  /** Such as `"artifacts"`. */
  readonly name: string;
  readonly summary: string;
  /** As commander writes them: `"<builder>"`, `"[number]"`, `"[files...]"`. */
  readonly arguments?: readonly { name: string; summary: string }[];
  /** As commander writes them: `"-n, --lines <count>"`. */
  readonly options?: readonly { flags: string; summary: string }[];
  /** Resolves with the exit code. A BelfryError is printed, and its code becomes the exit code; see core's README. */
  run(ctx: CommandContext): Promise<number>;
}
