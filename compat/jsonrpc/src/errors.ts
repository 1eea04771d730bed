import { BelfryError } from "belfry";

/** The errors of this package; the README has the same list. */
export const faults = {
  noHttp: (cause: unknown) =>
    new BelfryError(
      "BELFRY_JSONRPC_NO_HTTP",
      {
        what: "JSON-RPC cannot be offered.",
        why: "It is mounted on the server of @belfry/http, and the configuration has none.",
        fix: 'Add http() from "@belfry/http" to the services, before jsonrpc().',
      },
      { cause },
    ),
  mediaType: () =>
    new BelfryError("BELFRY_JSONRPC_MEDIA_TYPE", {
      what: "The body of this request is not taken as JSON.",
      why: "Its Content-Type is missing or is not application/json in UTF-8.",
      fix: "Send it with the header `Content-Type: application/json`.",
    }),
  parse: (why: string) =>
    new BelfryError("BELFRY_JSONRPC_PARSE", {
      what: "The body of this request is not JSON.",
      why,
      fix: "Send one request, or an array of them, as JSON in UTF-8.",
    }),
  requestInvalid: (why: string) =>
    new BelfryError("BELFRY_JSONRPC_REQUEST_INVALID", {
      what: "This is not a JSON-RPC 2.0 request.",
      why,
      fix: 'Send an object like {"jsonrpc": "2.0", "id": 1, "method": "builds.list", "params": {}}.',
    }),
  tooDeep: (limit: number) =>
    new BelfryError("BELFRY_JSONRPC_TOO_DEEP", {
      what: "This request is nested too deeply.",
      why: `At most ${limit} objects and arrays may be inside one another.`,
      fix: "Send flatter parameters.",
    }),
  tooMany: (limit: number) =>
    new BelfryError("BELFRY_JSONRPC_TOO_MANY_VALUES", {
      what: "This request has too many parts.",
      why: `At most ${limit} commas, colons, objects and arrays are read at once.`,
      fix: "Send less at once.",
    }),
  batchTooLong: (limit: number) =>
    new BelfryError("BELFRY_JSONRPC_BATCH_TOO_LONG", {
      what: "This batch has too many requests; none was run.",
      why: `At most ${limit} are taken at once.`,
      fix: "Send it in several batches.",
    }),
  answerTooLarge: (limit: number) =>
    new BelfryError("BELFRY_JSONRPC_ANSWER_TOO_LARGE", {
      what: "This request of the batch was not run.",
      why: `The answers before it have more than ${limit} bytes already.`,
      fix: "Send it again in a batch of its own.",
    }),
  positions: (method: string, why: string, details: { path: string; message: string }[] = []) =>
    new BelfryError(
      "BELFRY_JSONRPC_POSITIONS",
      {
        what: `The parameters of "${method}" cannot be given by position like this.`,
        why,
        fix: "Give them by name, as an object.",
      },
      { details },
    ),
  internal: (requestId: string) =>
    new BelfryError("BELFRY_JSONRPC_INTERNAL", {
      what: "The master failed to answer this request.",
      why: "It is a fault in Belfry or a plugin.",
      fix: `Look for request ${requestId} in the master's log.`,
    }),
};
