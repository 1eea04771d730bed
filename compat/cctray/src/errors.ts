import { BelfryError } from "belfry";

/** The errors of this package; the README has the same list. */
export const faults = {
  noHttp: (cause: unknown) =>
    new BelfryError(
      "BELFRY_CCTRAY_NO_HTTP",
      {
        what: "cc.xml cannot be served.",
        why: "The configuration has no HTTP server for it.",
        fix: "Add http() of @belfry/http to `services`.",
      },
      { cause },
    ),
  loginNeeded: (cause: unknown) =>
    new BelfryError(
      "BELFRY_CCTRAY_LOGIN_NEEDED",
      {
        what: "This feed is not shown to you.",
        why: "The request has no token that is accepted and may read.",
        fix: "Give a token of `belfry token add` as the password, with any user name, or as `Authorization: Bearer belfry_...`.",
      },
      { cause },
    ),
  filterRefused: (limit: number) =>
    new BelfryError("BELFRY_CCTRAY_FILTER_REFUSED", {
      what: "This request has too many filters.",
      why: `At most ${limit} of builder, tag and branch are taken together.`,
      fix: "Name fewer, or take all and choose from them.",
    }),
};
