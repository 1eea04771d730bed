import { BelfryError } from "belfry";
import { faults } from "./errors.ts";

const UNIQUE = new Set(["SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID"]);

/** The error and what caused it, outermost first. Ends also where causes go in a circle. */
function* chain(error: unknown): Generator<{ code?: unknown }> {
  for (let depth = 0; depth < 10 && typeof error === "object" && error !== null; depth += 1) {
    yield error;
    error = (error as { cause?: unknown }).cause;
  }
}

/** SQLite's result code, such as `SQLITE_BUSY`, of an error or of one that it wraps. */
export function codeOf(error: unknown): string {
  for (const { code } of chain(error)) if (typeof code === "string" && code.startsWith("SQLITE_")) return code;
  return "";
}

export function isUniqueViolation(error: unknown): boolean {
  return UNIQUE.has(codeOf(error));
}

/** A lock that lasted too long is the one way in which a file is "away": it comes back by itself. */
export function isConnectionLost(error: unknown): boolean {
  for (const link of chain(error)) if (link.code === "BELFRY_SQLITE_LOCKED") return true;
  return isBusy(error);
}

/** Somebody else has the lock at this moment. Also while another process opens or closes the file. */
export function isBusy(error: unknown): boolean {
  const code = codeOf(error);
  return code.startsWith("SQLITE_BUSY") || code === "SQLITE_PROTOCOL";
}

/** Says what the user can do about failures that are the disk's; gives others back as they are. */
export function explained(error: unknown, file: string): unknown {
  if (BelfryError.is(error)) return error;
  const code = codeOf(error);
  if (code === "SQLITE_FULL") return faults.full(file, error);
  if (code === "SQLITE_NOTADB") return faults.notADatabase(file, error);
  if (code.startsWith("SQLITE_CORRUPT")) return faults.corrupt(file, error);
  if (code.startsWith("SQLITE_IOERR")) return faults.disk(file, error);
  if (code.startsWith("SQLITE_READONLY")) return faults.readOnly(file, error);
  return error;
}
