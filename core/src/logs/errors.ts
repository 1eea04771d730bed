import { BelfryError } from "../errors/belfry-error.ts";

/** Every way in which the log store on files can refuse. Core's catalogue includes them. */
export const logFaults = {
  logNotFound: (key: string) =>
    new BelfryError("BELFRY_LOG_NOT_FOUND", {
      what: `There is no log "${key.slice(0, 200)}".`,
      why: "Nothing was ever written to it, or it was removed.",
      fix: "`logs.list` names the logs of a build.",
    }),
  logKeyInvalid: (key: string) =>
    new BelfryError("BELFRY_LOG_KEY_INVALID", {
      what: `"${printable(key)}" cannot name a log.`,
      why: 'A key has 1 to 200 characters out of A-Z a-z 0-9 . _ / -, no part that is empty or ".", and no "..".',
      fix: "Correct the key; only a key given to `remove` may end in a slash.",
    }),
  logInUse: (key: string) =>
    new BelfryError("BELFRY_LOG_IN_USE", {
      what: `The log "${key}" is being written already.`,
      why: "A log has one writer at a time.",
      fix: "Finish the other writer first, or use another key.",
    }),
  logFenced: (key: string) =>
    new BelfryError(
      "BELFRY_LOG_FENCED",
      {
        what: `The log "${key}" belongs to another master now.`,
        why: "A writer with a newer fence has begun to write to it, or has sealed it.",
        fix: "Nothing to do; the newer master goes on with the work.",
      },
      { result: "retry" },
    ),
  logDiskFull: (key: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_LOG_DISK_FULL",
      {
        what: `The log "${key}" ends here.`,
        why: "There is no space left where logs are kept. What was readable before stays readable.",
        fix: "Make room, or move the folder of the logs to a larger disk; then rebuild.",
      },
      { cause },
    ),
  logWriteFailed: (key: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_LOG_WRITE_FAILED",
      {
        what: `The log "${key}" ends here.`,
        why: `The system refused to write it (${codeOf(cause)}). What was readable before stays readable.`,
        fix: "Check that the folder of the logs exists, and that the master may write there.",
      },
      { cause },
    ),
  logReadFailed: (cause: unknown) =>
    new BelfryError(
      "BELFRY_LOG_READ_FAILED",
      {
        what: "A log cannot be read.",
        why: `The system refused it (${codeOf(cause)}).`,
        fix: "Check that the folder of the logs exists, and that the master may read it.",
      },
      { cause },
    ),
  logDamaged: (part: string) =>
    new BelfryError("BELFRY_LOG_DAMAGED", {
      what: "A part of a log cannot be read.",
      why: `${part} does not agree with its checksum; the disk or another program has changed the file.`,
      fix: "Restore the file from a backup; the other parts of the log can still be read.",
    }),
  logReaderClosed: () =>
    new BelfryError("BELFRY_LOG_READER_CLOSED", {
      what: "This log is no longer open.",
      why: "Its reader was disposed of before this call.",
      fix: "Open the log again.",
    }),
  logCountInvalid: () =>
    new BelfryError("BELFRY_LOG_RANGE_INVALID", {
      what: "These lines cannot be read.",
      why: "The first line and the number of lines have to be whole numbers from 0 up.",
      fix: "Correct the range.",
    }),
};

export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "unknown reason";
}

/** The error that a failed write is told as. */
export function writeFault(key: string, error: unknown): BelfryError {
  if (BelfryError.is(error)) return error;
  const code = codeOf(error);
  return code === "ENOSPC" || code === "EDQUOT"
    ? logFaults.logDiskFull(key, error)
    : logFaults.logWriteFailed(key, error);
}

function printable(text: string): string {
  return String(text)
    .slice(0, 80)
    .replace(/[^\x20-\x7e]/g, "?");
}
