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
  noBuilder: (scheduler: string) =>
    new BelfryError("BELFRY_SCHEDULERS_NO_BUILDER", {
      what: `Nothing was forced by "${scheduler}".`,
      why: "The list of builders is empty.",
      fix: "Name at least one builder, or leave the list out for all of them.",
    }),
  builderUnknown: (scheduler: string, names: readonly string[], known: readonly string[]) =>
    new BelfryError("BELFRY_SCHEDULERS_BUILDER_UNKNOWN", {
      what: `Nothing was forced by "${scheduler}".`,
      why: `It does not build ${quoted(names)}.`,
      fix: `Choose among ${quoted(known)}.`,
    }),
  propertyUnknown: (scheduler: string, names: readonly string[], known: readonly string[]) =>
    new BelfryError("BELFRY_SCHEDULERS_PROPERTY_UNKNOWN", {
      what: `Nothing was forced by "${scheduler}".`,
      why: `It takes no property ${quoted(names)}.`,
      fix: known.length === 0 ? "Leave properties out." : `The properties it takes are ${quoted(known)}.`,
    }),
  propertyInvalid: (scheduler: string, name: string, wanted: string) =>
    new BelfryError("BELFRY_SCHEDULERS_PROPERTY_INVALID", {
      what: `Nothing was forced by "${scheduler}".`,
      why: `The property "${name}" has to be ${wanted}.`,
      fix: `Correct "${name}" and try again.`,
    }),
  priorityInvalid: (scheduler: string) =>
    new BelfryError("BELFRY_SCHEDULERS_PRIORITY_INVALID", {
      what: `Nothing was forced by "${scheduler}".`,
      why: "The priority is no whole number.",
      fix: "Give a whole number, such as 0 or 10.",
    }),
};

/** A few names for a message; long lists and long names are cut. */
function quoted(names: readonly string[]): string {
  const shown = names.slice(0, 20).map((name) => `"${name.length > 100 ? `${name.slice(0, 99)}…` : name}"`);
  return names.length > shown.length ? `${shown.join(", ")} and ${names.length - shown.length} more` : shown.join(", ");
}
