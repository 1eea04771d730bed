import type { BelfryError } from "belfry";
import { statusOf } from "./errors.ts";
import type { HttpContext, Mount } from "./http-server.ts";

/** An error as its reader gets it. */
export function refusalText(error: BelfryError, requestId: string, plain: boolean): string {
  const { code, what, why, fix } = error;
  if (plain) return `${what}\n${why}\n${fix}\n(${code}, request ${requestId})\n`;
  return `${JSON.stringify({ error: { code, message: what, what, why, fix }, requestId })}\n`;
}

/** Headers that belong to an error, besides those of its body. */
export function refusalHeaders(error: BelfryError): Record<string, string> {
  switch (error.code) {
    case "BELFRY_HTTP_TOKEN_REFUSED":
      return { "WWW-Authenticate": 'Bearer realm="belfry", error="invalid_token"' };
    case "BELFRY_HTTP_BODY_SLOW":
      return { Connection: "close" };
    case "BELFRY_BUDGET_SPENT":
      return { "Retry-After": error.details.find(({ path }) => path === "retryAfterSeconds")?.message ?? "1" };
    case "BELFRY_HTTP_STOPPING":
      return { "Retry-After": "1" };
    default:
      return {};
  }
}

/** Answers with an error: in the form of what is mounted there, as JSON, or as text for who would rather read that. */
export function refuse(ctx: HttpContext, error: BelfryError, errorBody?: Mount["errorBody"]): void {
  const own = errorBody?.(error, ctx.state.requestId);
  const plain = own === undefined && ctx.accepts("application/json", "text/plain", "text/html") !== "application/json";
  ctx.status = statusOf(error);
  ctx.set("Content-Type", plain ? "text/plain; charset=utf-8" : "application/json; charset=utf-8");
  ctx.set("Cache-Control", "no-store");
  for (const [name, value] of Object.entries(refusalHeaders(error))) ctx.set(name, value);
  if (typeof own === "object") ctx.set("Content-Type", own.type);
  ctx.body = (typeof own === "object" ? own.body : own) ?? refusalText(error, ctx.state.requestId, plain);
}

const REASONS: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  408: "Request Timeout",
  413: "Content Too Large",
  421: "Misdirected Request",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** The same as a whole answer, for a connection that has no response object. */
export function rawRefusal(error: BelfryError, requestId: string, status = statusOf(error)): string {
  const body = refusalText(error, requestId, false);
  const headers = {
    ...refusalHeaders(error),
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": String(Buffer.byteLength(body)),
    "X-Request-Id": requestId,
    Connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${REASONS[status] ?? "Error"}\r\n${lines.join("")}\r\n${body}`;
}
