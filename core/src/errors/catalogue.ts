import { BelfryError } from "./belfry-error.ts";

/** Core's errors, all in one place, so that a reader sees every way in which Belfry can refuse. */
export const faults = {
  partTwice: (kind: string, first: string, second: string) =>
    new BelfryError("BELFRY_PART_TWICE", {
      what: `The part "${kind}" is offered by two plugins.`,
      why: `"${first}" and "${second}" both list it.`,
      fix: "Define it once for each plugin.",
    }),
};
