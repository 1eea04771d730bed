import type { Result } from "../interfaces/values.ts";

export interface ErrorText {
  /** What happened. */
  what: string;
  /** Why. Never holds a value that might be secret. */
  why: string;
  /** What the reader can do about it. */
  fix: string;
}

export interface ErrorOptions {
  cause?: unknown;
  /** For lists of faults: each with where it is. */
  details?: readonly { path: string; message: string; code?: string }[];
  /** When a step throws this, the step ends with this result instead of `exception`. */
  result?: Result;
}

const MARK = Symbol.for("belfry.error");

/**
 * A failure that a user reads: what happened, why, how to fix it. Match on `code`; the texts may
 * improve at any time. A plugin's codes carry its name: `BELFRY_GIT_CLONE_FAILED`.
 */
export class BelfryError extends Error {
  readonly [MARK] = true;
  readonly code: string;
  readonly what: string;
  readonly why: string;
  readonly fix: string;
  readonly details: NonNullable<ErrorOptions["details"]>;
  readonly result: Result | undefined;

  constructor(code: string, text: ErrorText, options: ErrorOptions = {}) {
    super(`${text.what} ${text.why} ${text.fix}`, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "BelfryError";
    this.code = code;
    this.what = text.what;
    this.why = text.why;
    this.fix = text.fix;
    this.details = options.details ?? [];
    this.result = options.result;
  }

  /** True for errors of any copy of this class. */
  static is(error: unknown): error is BelfryError {
    return typeof error === "object" && error !== null && MARK in error;
  }
}

/** The message of anything that was thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.replace(/\s*\n\s*/g, " ").slice(0, 2_000);
}
