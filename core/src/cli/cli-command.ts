import type { Command } from "commander";
import type { Session } from "./session.ts";

/** Positional arguments in their order, as commander gives them; `undefined` for one that was left out. */
export type Positional = (string | string[] | undefined)[];

/** One command of the program. */
export interface CliCommand {
  readonly name: string;
  readonly summary: string;
  /** The exit code of a refusal that says nothing about its kind. Default: 4, the master refused. */
  readonly refusal?: number;
  /** Adds its arguments and options. */
  define(command: Command): void;
  /** Resolves with the exit code. A BelfryError is printed, and its code becomes the exit code. */
  run(session: Session, positional: Positional, options: Record<string, unknown>): Promise<number>;
}
