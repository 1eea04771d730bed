import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import type { Command } from "belfry";
import { faults } from "../errors.ts";
import { hashPassword, LONGEST_PASSWORD } from "../password.ts";

const SHORTEST = 8;

/** `belfry password`: turns a password into the hash that a configuration holds. */
export function passwordCommand(input: NodeJS.ReadStream = process.stdin): Command {
  return {
    name: "password",
    summary: "turn a password, typed unseen or from standard input, into a hash for auth()",
    async run(ctx) {
      const password = await readPassword(input, ctx.signal);
      ctx.signal.throwIfAborted();
      if (password.length < SHORTEST || password.length > LONGEST_PASSWORD)
        throw faults.passwordLength(SHORTEST, LONGEST_PASSWORD);
      const hash = await hashPassword(password);
      if (ctx.json) ctx.printJson({ hash });
      else ctx.print(hash);
      return 0;
    },
  };
}

/** One line. A terminal does not show what is typed; nor does it ask on standard output, which may go to a file. */
async function readPassword(input: NodeJS.ReadStream, signal: AbortSignal): Promise<string> {
  if (input.isTTY) process.stderr.write("Password: ");
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output: silent, terminal: input.isTTY === true });
  const abort = () => lines.close();
  signal.addEventListener("abort", abort, { once: true });
  lines.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    for await (const line of lines) return line;
    return "";
  } finally {
    signal.removeEventListener("abort", abort);
    lines.close();
    if (input.isTTY) process.stderr.write("\n");
    input.unref?.();
  }
}
