import { BelfryError } from "belfry";

/** The ways in which these schedulers refuse. */
export const faults = {
  stateUnknown: (scheduler: string) =>
    new BelfryError("BELFRY_SCHEDULERS_STATE_UNKNOWN", {
      what: `The scheduler "${scheduler}" cannot read what it remembered.`,
      why: "Its state in the database was written by another version of @belfry/schedulers, or by another kind of scheduler of this name.",
      fix: "Use the version that wrote it, or give the scheduler a new name to let it begin afresh.",
    }),
  functionFailed: (scheduler: string, option: string, change: number, cause: unknown) =>
    new BelfryError(
      "BELFRY_SCHEDULERS_FUNCTION_FAILED",
      {
        what: `The scheduler "${scheduler}" could not decide about change ${change}.`,
        why: `The function in its option "${option}" threw an error or gave a value that cannot be used.`,
        fix: `Correct the function; the change waits till then and is not lost.`,
      },
      { cause },
    ),
  wishInvalid: (scheduler: string, details: readonly { path: string; message: string }[]) =>
    new BelfryError(
      "BELFRY_SCHEDULERS_WISH_INVALID",
      {
        what: `Nothing was forced by "${scheduler}".`,
        why: `${summary(details)}.`,
        fix: "Correct what is named; `schedulers.list` describes the form.",
      },
      { details: details.slice(0, MOST_DETAILS) },
    ),
};

const MOST_DETAILS = 100;
const MOST_NAMED = 10;

function summary(details: readonly { path: string; message: string }[]): string {
  const shown = details.slice(0, MOST_NAMED).map(({ path, message }) => `${path}: ${message}`);
  const more = details.length - shown.length;
  return `${shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}
