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
  requestInvalidOne: (why: string) =>
    new BelfryError("BELFRY_JSONRPC_REQUEST_INVALID", {
      what: "This is not a JSON-RPC request.",
      why: `Without a member "jsonrpc" it is one of version 1.0. ${why}`,
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
  paramsInvalid: (method: string, details: { path: string; message: string }[]) =>
    new BelfryError(
      "BELFRY_JSONRPC_PARAMS_INVALID",
      {
        what: `The parameters of "${method}" cannot be used.`,
        why: details.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("; "),
        fix: "Correct what is named; `rpc.discover` lists the parameters of every method.",
      },
      { details },
    ),
  forbidden: (wanted: string) =>
    new BelfryError("BELFRY_JSONRPC_FORBIDDEN", {
      what: `${wanted} needs the right to read.`,
      why: "Nobody has it here who shows no token with it.",
      fix: "Send a token of this master as `Authorization: Bearer belfry_...`.",
    }),
  webSocketOnly: (method: string) =>
    new BelfryError("BELFRY_JSONRPC_WEBSOCKET_ONLY", {
      what: `"${method}" cannot be called by POST.`,
      why: "What it begins is told by notifications, and those need a connection that stays open.",
      fix: "Open a WebSocket at the same path, or ask `events.since` and `logs.read` with `waitSeconds`.",
    }),
  connectionsFull: (limit: number) =>
    new BelfryError("BELFRY_JSONRPC_CONNECTIONS_FULL", {
      what: "No further WebSocket is taken now.",
      why: `There are ${limit} already.`,
      fix: "Try again later, or raise `connectionLimit`.",
    }),
  subscriptionsFull: (limit: number) =>
    new BelfryError("BELFRY_JSONRPC_SUBSCRIPTIONS_FULL", {
      what: "No further subscription is taken on this connection.",
      why: `It has ${limit} already.`,
      fix: "End one that is not needed any more, or subscribe once with a wider filter.",
    }),
  subscriptionUnknown: (id: number) =>
    new BelfryError("BELFRY_JSONRPC_SUBSCRIPTION_UNKNOWN", {
      what: `There is no subscription ${id} of this kind.`,
      why: "This connection has none of that number, or it has ended.",
      fix: "Give the number that the subscription was answered with, on the same connection.",
    }),
  internal: (requestId: string) =>
    new BelfryError("BELFRY_JSONRPC_INTERNAL", {
      what: "The master failed to answer this request.",
      why: "It is a fault in Belfry or a plugin.",
      fix: `Look for request ${requestId} in the master's log.`,
    }),
};
