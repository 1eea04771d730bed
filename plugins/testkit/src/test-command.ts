import { spawn } from "node:child_process";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { BelfryError, type CommandResult, type StepCommand } from "belfry";

type Sink = (channel: "stdout" | "stderr", data: Uint8Array) => Promise<void>;

/**
 * Runs a command of a test build: a real process in a group of its own. Unlike a worker it does not
 * look for processes that left the group.
 */
export async function runTestCommand(
  folder: string,
  command: StepCommand,
  signal: AbortSignal,
  sink: Sink,
): Promise<CommandResult> {
  const cwd = resolve(folder, command.cwd ?? ".");
  if (!(await isFolder(cwd))) throw cannotStart(command, `its folder "${command.cwd}" does not exist`);
  const [program = "", ...args] =
    typeof command.command === "string" ? ["/bin/sh", "-c", command.command] : command.command;
  const started = performance.now();
  let killed: CommandResult["killed"] = null;
  const child = spawn(program, args, { cwd, env: environment(command.env), detached: true, stdio: "pipe" });
  const timers = new Set<NodeJS.Timeout>();
  const later = (delay: number, run: () => void) => {
    const timer = setTimeout(run, delay);
    timers.add(timer);
    return timer;
  };
  const end = (why: NonNullable<CommandResult["killed"]>) => {
    if (killed !== null) return;
    killed = why;
    killGroup(child.pid, "SIGTERM");
    later(command.killGrace ?? 5_000, () => killGroup(child.pid, "SIGKILL"));
  };
  const onAbort = () => end("cancelled");
  let silence: NodeJS.Timeout | undefined;
  const heard = () => {
    if (command.timeout === undefined) return;
    if (silence) clearTimeout(silence);
    silence = later(command.timeout, () => end("timeout"));
  };
  try {
    const closed = new Promise<{ code: number | null; signal: string | null }>((done, fail) => {
      child.once("error", () => fail(cannotStart(command, `the worker cannot start "${program}"`)));
      child.once("close", (code, name) => done({ code, signal: name }));
    });
    if (command.maxTime !== undefined) later(command.maxTime, () => end("max-time"));
    heard();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    child.stdin.on("error", () => {});
    child.stdin.end(command.input ?? "");
    const pump = async (channel: "stdout" | "stderr") => {
      for await (const data of child[channel]) {
        heard();
        await sink(channel, data as Uint8Array);
      }
    };
    const [ended] = await Promise.all([closed, pump("stdout"), pump("stderr")]);
    return { ...ended, killed, elapsed: performance.now() - started };
  } finally {
    signal.removeEventListener("abort", onAbort);
    for (const timer of timers) clearTimeout(timer);
    killGroup(child.pid, "SIGKILL");
  }
}

function killGroup(pid: number | undefined, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // The group has ended.
  }
}

function environment(changes: StepCommand["env"]): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const [name, value] of Object.entries(changes ?? {})) {
    if (value === null) delete env[name];
    else env[name] = value;
  }
  return env;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

function cannotStart(command: StepCommand, why: string): BelfryError {
  const shown = typeof command.command === "string" ? command.command : command.command[0];
  return new BelfryError("BELFRY_COMMAND_NOT_FOUND", {
    what: `The command "${shown}" could not be started.`,
    why: `In this test, ${why}.`,
    fix: "Give the test build what the command needs.",
  });
}
