import { resolve } from "node:path";
import type { CommandSpec } from "belfry";
import { faults } from "./errors.ts";

/** A command as the system wants it. */
export interface CommandLine {
  argv: string[];
  /** Absolute. */
  cwd: string;
  env: Record<string, string | null>;
}

/** Checks what the system would misread, and puts the pieces together. Throws `BELFRY_COMMAND_INVALID`. */
export function commandLine(spec: CommandSpec, folder: string): CommandLine {
  const argv = typeof spec.command === "string" ? ["/bin/sh", "-c", spec.command] : [...spec.command];
  if (argv.length === 0 || argv[0] === "") throw faults.commandInvalid("It names no program.");
  for (const word of argv) {
    if (typeof word !== "string") throw faults.commandInvalid(`A word of it is of type ${typeof word}, not text.`);
    if (word.includes("\0")) throw faults.commandInvalid("It holds a NUL character.");
  }
  const env = spec.env ?? {};
  for (const [name, value] of Object.entries(env)) {
    if (name === "" || name.includes("=") || name.includes("\0"))
      throw faults.commandInvalid('A variable of its env has a name that is empty or holds "=" or NUL.');
    if (value !== null && (typeof value !== "string" || value.includes("\0")))
      throw faults.commandInvalid(`The variable "${name}" of its env is not text without NUL.`);
  }
  if (spec.cwd?.includes("\0")) throw faults.commandInvalid("Its cwd holds a NUL character.");
  return { argv, cwd: resolve(folder, spec.cwd ?? ""), env };
}
