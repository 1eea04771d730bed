import { BelfryError } from "belfry";

/** Every way in which the local worker can refuse. Commands are named by their program only: arguments may hold secrets. */
export const faults = {
  commandNotFound: (program: string) =>
    new BelfryError(
      "BELFRY_COMMAND_NOT_FOUND",
      {
        what: `The command "${shown(program)}" cannot be found.`,
        why: "There is no such program in PATH or at that path, or the interpreter named in its first line is missing.",
        fix: "Install it on the worker, correct its name, or set PATH in the command's env.",
      },
      { result: "failure" },
    ),
  commandDenied: (program: string) =>
    new BelfryError(
      "BELFRY_COMMAND_DENIED",
      {
        what: `The command "${shown(program)}" may not be run.`,
        why: "The file is not executable for the user that the worker runs as, or it is a folder.",
        fix: "Make it executable (chmod +x), or name an interpreter for it.",
      },
      { result: "failure" },
    ),
  commandTooLong: (program: string) =>
    new BelfryError(
      "BELFRY_COMMAND_TOO_LONG",
      {
        what: `The command "${shown(program)}" cannot be started.`,
        why: "Its arguments and environment together, or one of them alone, are larger than the system allows.",
        fix: "Give long values in a file or as the command's input.",
      },
      { result: "failure" },
    ),
  commandInvalid: (why: string) =>
    new BelfryError(
      "BELFRY_COMMAND_INVALID",
      {
        what: "A command cannot be run as it is written.",
        why,
        fix: "Correct the step's command, env or cwd.",
      },
      { result: "failure" },
    ),
  commandNotStarted: (program: string, code: string) =>
    new BelfryError(
      "BELFRY_COMMAND_NOT_STARTED",
      {
        what: `The command "${shown(program)}" could not be started.`,
        why: `The system answered ${code}.`,
        fix: "Look for a lack of memory, processes or open files on the worker's machine.",
      },
      { result: ["EAGAIN", "ENOMEM", "EMFILE", "ENFILE"].includes(code) ? "retry" : "exception" },
    ),
  pipesGone: (program: string, code: string) =>
    new BelfryError(
      "BELFRY_COMMAND_NOT_STARTED",
      {
        what: `The command "${shown(program)}" could not be started.`,
        why: `The pipes for its output cannot be opened: ${code}. Somebody emptied the worker's folder, or open files are short.`,
        fix: "Nothing, if it does not happen again: new ones are made.",
      },
      { result: "retry" },
    ),
  commandProcessesLeft: (count: number) =>
    new BelfryError("BELFRY_COMMAND_PROCESSES_LEFT", {
      what: `A command left ${count} process${count === 1 ? "" : "es"} that could not be ended.`,
      why: "They survived SIGKILL for five seconds: they belong to another user, or hang in the system.",
      fix: "End them by hand, and look for set-user-id programs (sudo) or a file system that does not answer.",
    }),
  cwdMissing: (cwd: string) =>
    new BelfryError(
      "BELFRY_COMMAND_CWD_MISSING",
      {
        what: `The folder "${shown(cwd)}" for a command does not exist.`,
        why: "A command's cwd has to be there before it starts.",
        fix: "Make it with an earlier step, or correct cwd.",
      },
      { result: "failure" },
    ),
  cwdNoFolder: (cwd: string) =>
    new BelfryError(
      "BELFRY_COMMAND_CWD_MISSING",
      {
        what: `"${shown(cwd)}" cannot be a command's folder.`,
        why: "There is a file at that path, not a folder.",
        fix: "Correct cwd.",
      },
      { result: "failure" },
    ),
  cwdDenied: (cwd: string) =>
    new BelfryError(
      "BELFRY_COMMAND_DENIED",
      {
        what: `The folder "${shown(cwd)}" may not be entered.`,
        why: "The user that the worker runs as has no right to it.",
        fix: "Change the folder's owner or mode, or correct cwd.",
      },
      { result: "failure" },
    ),
  workerLost: (worker: string) =>
    new BelfryError(
      "BELFRY_WORKER_LOST",
      {
        what: `The worker "${worker}" lost the process that runs its commands.`,
        why: "That process ended unexpectedly, or the worker is not connected.",
        fix: "The worker starts it again by itself; look for the out-of-memory killer in the system's log if it happens often.",
      },
      { result: "retry" },
    ),
  workerStart: (worker: string, why: string, cause?: unknown) =>
    new BelfryError(
      "BELFRY_WORKER_START_FAILED",
      {
        what: `The worker "${worker}" cannot start.`,
        why,
        fix: "Check the worker's folder: it has to be writable and to have room; the programs mkfifo and sh have to be in PATH.",
      },
      { cause },
    ),
  workerPlatform: (worker: string, platform: string) =>
    new BelfryError("BELFRY_WORKER_PLATFORM", {
      what: `The worker "${worker}" cannot run here.`,
      why: `A local worker needs process groups and named pipes, which ${platform} does not have.`,
      fix: "Run the master on Linux or macOS, or use a worker on another machine.",
    }),
  workerSurvivors: (folder: string, count: number) =>
    new BelfryError(
      "BELFRY_WORKER_SURVIVORS",
      {
        what: `The folder "${shown(folder)}" cannot be used for a build.`,
        why: `${count} process${count === 1 ? "" : "es"} of an earlier build there could not be ended.`,
        fix: "End them by hand; they carry BELFRY_SESSION in their environment.",
      },
      { result: "retry" },
    ),
  sessionClosed: () =>
    new BelfryError(
      "BELFRY_WORKER_SESSION_CLOSED",
      {
        what: "A command was asked of a build folder that is no longer open.",
        why: "The build has ended, or the worker was stopped.",
        fix: "Await everything a step starts before it returns.",
      },
      { result: "cancelled" },
    ),
};

function shown(text: string): string {
  const line = text.replace(/[\u0000-\u001f\u007f]/g, "?");
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
