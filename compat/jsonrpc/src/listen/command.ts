import { basename, extname, join, resolve } from "node:path";
import { BelfryError, type Command, type CommandContext, type Json, type Logger, messageOf } from "belfry";
import { connect, type ListenerReport, runListener } from "../client/index.ts";
import { listenFaults } from "./errors.ts";
import { loadListener } from "./listener-file.ts";

const text = (value: CommandContext["args"][string]) => (typeof value === "string" && value !== "" ? value : undefined);

/** Runs the listener of a file in this process, until Ctrl-C. */
export const runListen: Command["run"] = async (ctx) => {
  const { args, folder, signal } = ctx;
  const file = text(args["file"]);
  if (file === undefined) throw listenFaults.usage("It needs the file of a listener.");
  const from = text(args["from"]);
  if (from !== undefined && from !== "now" && from !== "start")
    throw listenFaults.usage('--from has to be "now" or "start".');
  const [name, cursorFile] = [text(args["name"]), text(args["cursorFile"])];
  if (name !== undefined && cursorFile !== undefined)
    throw listenFaults.usage("Its place is kept at the master with --name, or in a file with --cursor-file, not both.");
  const master = text(args["master"]) ?? join(folder, ".belfry", "master.sock");
  await using client = connect(master, { token: text(args["token"]) ?? text(process.env["BELFRY_TOKEN"]) });
  const { listener } = await loadListener(file, { client, logger: loggerTo(ctx) });
  const place = name === undefined ? { cursorFile: cursorFile ?? cursorBeside(file) } : { name };
  await runListener(listener, {
    client,
    ...place,
    from,
    signal,
    report: (report) => tell(ctx, report, client.where, place),
  });
  return 0;
};

/** Beside the listener: `tell-me.ts` has its place in `tell-me.cursor`. */
function cursorBeside(file: string): string {
  const path = resolve(file);
  return join(path, "..", `${basename(path, extname(path))}.cursor`);
}

function tell(
  { json, print, printJson }: CommandContext,
  report: ListenerReport,
  where: string,
  place: { name?: string; cursorFile?: string },
): void {
  if (json) {
    const { error, ...rest } = { error: undefined, ...report } as { error: unknown };
    return printJson({ ...rest, ...(error === undefined ? {} : { error: messageOf(error) }) } as Json);
  }
  print(words(report, where, place));
}

function words(report: ListenerReport, where: string, place: { name?: string; cursorFile?: string }): string {
  const because = (error: unknown) => (BelfryError.is(error) ? `${error.what} (${error.code})` : messageOf(error));
  switch (report.kind) {
    case "started": {
      const kept = place.name === undefined ? `in ${place.cursorFile}` : `at the master as "${place.name}"`;
      return `Listening to ${where} behind position ${report.position}; its place is kept ${kept}. Ctrl-C stops it.`;
    }
    case "failed":
      return `${report.event.type} at ${report.event.position} failed (try ${report.attempt}), again in ${report.retryIn} ms: ${because(report.error)}`;
    case "parked":
      return `${report.event.type} at ${report.event.position} is left out after ${report.attempts} tries: ${because(report.error)}`;
    case "gap":
      return `Events behind ${report.from} are missing: the master does not keep them any more.`;
    case "cursorFailed":
      return `Its place could not be kept, that is tried again: ${because(report.error)}`;
  }
}

/** A listener's own log goes where the reports go. */
function loggerTo({ json, print, printJson }: CommandContext, bound: object = {}): Logger {
  const write = (level: string) => (fields: object, message: string) => {
    if (json) printJson({ kind: "log", level, message, ...bound, ...fields } as Json);
    else print(`${level}: ${message}`);
  };
  return {
    debug: () => undefined,
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: (fields) => loggerTo({ json, print, printJson } as CommandContext, { ...bound, ...fields }),
  };
}
