import { BelfryError } from "belfry";

/** The errors of this package; the README has the same list. */
export const faults = {
  noHttp: (cause: unknown) =>
    new BelfryError(
      "BELFRY_SSE_NO_HTTP",
      {
        what: "Events cannot be streamed.",
        why: "The stream is mounted on the server of @belfry/http, and the configuration has none.",
        fix: 'Add http() from "@belfry/http" to the services, before sse().',
      },
      { cause },
    ),
  query: (why: string) =>
    new BelfryError("BELFRY_SSE_QUERY", {
      what: "This query cannot be used.",
      why,
      fix: "Ask for `?since=POSITION&types=build.,step.finished&builder=NAME`, or for some of these.",
    }),
  streamsFull: (limit: number) =>
    new BelfryError("BELFRY_SSE_STREAMS_FULL", {
      what: "No further stream is opened now.",
      why: `There are ${limit} already.`,
      fix: "Try again later, or raise `streamLimit`.",
    }),
  clientFull: (limit: number) =>
    new BelfryError("BELFRY_SSE_CLIENT_FULL", {
      what: "No further stream is opened for this client.",
      why: `It has ${limit} already.`,
      fix: "Close one that is not needed any more, or raise `clientLimit`.",
    }),
};
