import { BelfryError } from "belfry";

/** The ways in which these steps refuse. */
export const faults = {
  computedWrong: (step: string, option: string, wanted: string, got: unknown) =>
    new BelfryError("BELFRY_STEPS_OPTION_COMPUTED", {
      what: `Option "${option}" of the step "${step}" cannot be used in this build.`,
      why: `It has to be ${wanted}, and what the configuration computes for it is ${kindOf(got)}.`,
      fix: `Correct the function, property or template that "${option}" is computed from.`,
    }),
  pathOutside: (step: string, option: string) =>
    new BelfryError(
      "BELFRY_STEPS_PATH_OUTSIDE",
      {
        what: `Option "${option}" of the step "${step}" leads out of the build's folder.`,
        why: "A path that is computed may come from a branch's name or another text from outside, so it has to stay within the folder.",
        fix: "Correct what the path is computed from, or write it in the configuration as plain text.",
      },
      { result: "failure" },
    ),
  removesFolder: (step: string) =>
    new BelfryError(
      "BELFRY_STEPS_REMOVES_FOLDER",
      {
        what: `The step "${step}" was not carried out.`,
        why: "Its path is the build's own folder or one above it; nothing of the build would be left.",
        fix: "Name what is to be removed within the folder.",
      },
      { result: "failure" },
    ),
};

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  return value === "" ? "an empty text" : `a value of type ${typeof value}`;
}
