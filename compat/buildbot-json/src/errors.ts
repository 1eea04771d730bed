import { BelfryError } from "belfry";

/** The errors of this package; the README has the same list. */
export const faults = {
  noHttp: (cause: unknown) =>
    new BelfryError(
      "BELFRY_BUILDBOT_JSON_NO_HTTP",
      {
        what: "Buildbot's /json cannot be served.",
        why: "The configuration has no HTTP server for it.",
        fix: "Add http() of @belfry/http to `services`.",
      },
      { cause },
    ),
  pathUnknown: () =>
    new BelfryError("BELFRY_BUILDBOT_JSON_PATH_UNKNOWN", {
      what: "There is nothing at this path.",
      why: "It names a builder, build, step or slave that does not exist or may not be seen, or nothing that /json has.",
      fix: "Go one step up and add /help: that page lists what is below.",
    }),
  selectRefused: (why: string) =>
    new BelfryError("BELFRY_BUILDBOT_JSON_SELECT_REFUSED", {
      what: "This selection is not answered.",
      why,
      fix: "Select less at once, or ask for the node above.",
    }),
  answerTooLarge: (why: string) =>
    new BelfryError("BELFRY_BUILDBOT_JSON_ANSWER_TOO_LARGE", {
      what: "The answer to this request is too large.",
      why,
      fix: "Ask for fewer builds at once, or for a node further down.",
    }),
};
