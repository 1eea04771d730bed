import { BelfryError } from "belfry";

/** What came from outside, fit for a message: short, and without control characters. */
function shown(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, "?");
  return plain.length > 100 ? `${plain.slice(0, 97)}...` : plain;
}

/** The errors of this package; the README has the same list. */
export const faults = {
  portInUse: (host: string, port: number, cause: unknown) =>
    new BelfryError(
      "BELFRY_HTTP_PORT_IN_USE",
      {
        what: `The HTTP server cannot listen at ${host}, port ${port}.`,
        why: "Another program listens there already; it may be another Belfry master.",
        fix: "Stop that program, or give http() another port; with port 0 it takes any free one.",
      },
      { cause },
    ),
  hostUnknown: (host: string, cause: unknown) =>
    new BelfryError(
      "BELFRY_HTTP_HOST_UNKNOWN",
      {
        what: `The HTTP server cannot listen at "${host}".`,
        why: "That is not an address of this machine.",
        fix: 'Give http() a host of this machine: "127.0.0.1" for itself only, "0.0.0.0" for all its addresses.',
      },
      { cause },
    ),
  portForbidden: (port: number, cause: unknown) =>
    new BelfryError(
      "BELFRY_HTTP_PORT_FORBIDDEN",
      {
        what: `The HTTP server may not listen at port ${port}.`,
        why: "The system keeps this port for privileged programs.",
        fix: "Give http() a port of 1024 or above, and put a proxy before it if it must be reached at this one.",
      },
      { cause },
    ),
  listenFailed: (host: string, port: number, cause: unknown) =>
    new BelfryError(
      "BELFRY_HTTP_LISTEN_FAILED",
      {
        what: `The HTTP server cannot listen at ${host}, port ${port}.`,
        why: `The system refused it (${(cause as NodeJS.ErrnoException)?.code ?? "no code"}).`,
        fix: "Try another host or port in http().",
      },
      { cause },
    ),
  pathTaken: (path: string, title: string) =>
    new BelfryError("BELFRY_HTTP_PATH_TAKEN", {
      what: `The path "${path}" cannot be mounted.`,
      why: `"${title}" is mounted there.`,
      fix: "Give one of the two another path in its options.",
    }),
  pathInvalid: (path: string) =>
    new BelfryError("BELFRY_HTTP_PATH_INVALID", {
      what: `The path "${shown(path)}" cannot be mounted.`,
      why: "A path starts with a slash, has no query, and ends without a slash or in /*.",
      fix: 'Write it like "/rpc" or "/json/*".',
    }),
  targetRefused: () =>
    new BelfryError("BELFRY_HTTP_TARGET_REFUSED", {
      what: "This request is not for this server.",
      why: "Its target is not a path; it is what a client sends to a proxy.",
      fix: "Ask for the path alone, without a proxy between.",
    }),
  hostRefused: (host: string) =>
    new BelfryError("BELFRY_HTTP_HOST_REFUSED", {
      what: `The server does not answer under the name "${shown(host)}".`,
      why: "A page of another site could reach it under a name of its own, so only known names are answered.",
      fix: "Ask under localhost or the server's own address, or add the name to trustedHosts of http().",
    }),
  originRefused: (origin: string) =>
    new BelfryError("BELFRY_HTTP_ORIGIN_REFUSED", {
      what: "A page of another site may not send this request.",
      why: `It comes from ${origin === "" ? "another site" : `"${shown(origin)}"`}, which is not this server.`,
      fix: "If that site is yours, add its origin to allowedOrigins of http(), such as https://dashboard.example.com.",
    }),
  originMissing: () =>
    new BelfryError("BELFRY_HTTP_ORIGIN_MISSING", {
      what: "This request was not taken.",
      why: "A page of another site could have sent it in your name: it does not say where it comes from.",
      fix: "Send the header Origin with this server's own address, or sign in with a token in Authorization instead.",
    }),
  tokenRefused: () =>
    new BelfryError("BELFRY_HTTP_TOKEN_REFUSED", {
      what: "The token of this request is not accepted.",
      why: "It is unknown, expired or revoked, or is neither sent as `Authorization: Bearer belfry_...` nor as the password of Basic.",
      fix: "Make one with `belfry token add` on the master's machine, or leave the header out to ask as anonymous.",
    }),
  bodyTooLarge: (limit: number) =>
    new BelfryError("BELFRY_HTTP_BODY_TOO_LARGE", {
      what: "The body of this request is too large.",
      why: `At most ${limit} bytes are read here.`,
      fix: "Send less at once.",
    }),
  bodySlow: (timeout: number) =>
    new BelfryError("BELFRY_HTTP_BODY_SLOW", {
      what: "The body of this request did not arrive in time.",
      why: `It has to be here within ${timeout} ms.`,
      fix: "Send it again, over a better connection or in smaller parts.",
    }),
  bodyEncoded: () =>
    new BelfryError("BELFRY_HTTP_BODY_ENCODED", {
      what: "The body of this request cannot be read.",
      why: "It has a Content-Encoding; bodies are read as they are only.",
      fix: "Send it uncompressed.",
    }),
  bodyBroken: () =>
    new BelfryError("BELFRY_HTTP_BODY_BROKEN", {
      what: "The body of this request is incomplete.",
      why: "The connection ended before the body did.",
      fix: "Send it again.",
    }),
  requestBroken: (status: number) =>
    new BelfryError("BELFRY_HTTP_REQUEST_BROKEN", {
      what: "This is not a request that can be read.",
      why:
        status === 431
          ? "Its head is too large."
          : status === 408
            ? "Its head or body did not arrive in time."
            : status === 413
              ? "A part of it is too large."
              : "It breaks the rules of HTTP/1.1.",
      fix: "Send it with a client that speaks HTTP/1.1.",
    }),
  pathUnknown: (path: string) =>
    new BelfryError("BELFRY_HTTP_PATH_UNKNOWN", {
      what: `There is nothing at "${shown(path)}".`,
      why: "No plugin is mounted at this path.",
      fix: "The page at / lists what is mounted where.",
    }),
  methodRefused: (method: string, path: string, allow: string) =>
    new BelfryError("BELFRY_HTTP_METHOD_REFUSED", {
      what: `${shown(method)} is not possible at "${shown(path)}".`,
      why: `What is mounted there answers ${allow}.`,
      fix: `Ask with one of: ${allow}.`,
    }),
  stopping: () =>
    new BelfryError("BELFRY_HTTP_STOPPING", {
      what: "This request was not taken.",
      why: "The server, or the part of it that answers here, is stopping.",
      fix: "Try again when it has started.",
    }),
  internal: (requestId: string) =>
    new BelfryError("BELFRY_HTTP_INTERNAL", {
      what: "The server failed to answer this request.",
      why: "It is a fault in Belfry or a plugin.",
      fix: `Look for request ${requestId} in the master's log.`,
    }),
};

/** The statuses of errors, ours and the API's. */
const STATUS = new Map<string, number>([
  ["BELFRY_HTTP_TARGET_REFUSED", 400],
  ["BELFRY_HTTP_HOST_REFUSED", 421],
  ["BELFRY_HTTP_ORIGIN_REFUSED", 403],
  ["BELFRY_HTTP_ORIGIN_MISSING", 403],
  ["BELFRY_HTTP_TOKEN_REFUSED", 401],
  ["BELFRY_HTTP_BODY_TOO_LARGE", 413],
  ["BELFRY_HTTP_BODY_SLOW", 408],
  ["BELFRY_HTTP_BODY_ENCODED", 415],
  ["BELFRY_HTTP_BODY_BROKEN", 400],
  ["BELFRY_HTTP_PATH_UNKNOWN", 404],
  ["BELFRY_HTTP_METHOD_REFUSED", 405],
  ["BELFRY_HTTP_STOPPING", 503],
  ["BELFRY_HTTP_INTERNAL", 500],
  ["BELFRY_METHOD_UNKNOWN", 404],
  ["BELFRY_NOT_FOUND", 404],
  ["BELFRY_BUILDER_UNKNOWN", 404],
  ["BELFRY_PARAMS_INVALID", 400],
  ["BELFRY_CHANGE_INVALID", 400],
  ["BELFRY_CURSOR_INVALID", 400],
  ["BELFRY_POSITION_AHEAD", 400],
  ["BELFRY_BUILD_ENDED", 409],
  ["BELFRY_REQUEST_ENDED", 409],
  ["BELFRY_SCHEDULER_CANNOT_FORCE", 409],
  ["BELFRY_TOKEN_TWICE", 409],
  ["BELFRY_FORBIDDEN", 403],
  ["BELFRY_BUDGET_SPENT", 429],
  ["BELFRY_DATABASE_AWAY", 503],
  ["BELFRY_ENGINE_AWAY", 503],
]);

const given = new WeakMap<BelfryError, number>();

/** Gives one error a status of its own. */
export function withStatus(error: BelfryError, status: number): BelfryError {
  given.set(error, status);
  return error;
}

export function statusOf(error: BelfryError): number {
  return given.get(error) ?? STATUS.get(error.code) ?? 500;
}
