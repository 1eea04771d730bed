/** The error and what caused it, outermost first. Ends also where causes go in a circle. */
function* chain(error: unknown): Generator<{ code?: unknown; message?: unknown; errors?: unknown }> {
  for (let depth = 0; depth < 10 && typeof error === "object" && error !== null; depth += 1) {
    yield error;
    error = (error as { cause?: unknown }).cause;
  }
}

/** The code of an error itself, such as `23505` or `ECONNREFUSED`. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === "string" ? code : "";
}

// 08: connection exceptions. 57P01 to 57P05: shut down, crashed, starting, idle too long. 25P03: idle
// in a transaction too long. 53300: too many connections.
const LOST_STATE = /^(08...|57P0[1-5]|25P03|53300)$/;
const LOST_SYSTEM = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "EHOSTDOWN",
]);
// What the driver says itself has no code.
const LOST_TEXT =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|timeout expired|timeout exceeded when trying to connect|The connection was given up)/;

/** True for this error itself: the server is away, or this connection to it is gone. */
export function isLost(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  const { message, errors } = error as { message?: unknown; errors?: unknown };
  const code = codeOf(error);
  if (LOST_STATE.test(code) || LOST_SYSTEM.has(code)) return true;
  if (Array.isArray(errors) && errors.length > 0) return errors.every(isLost);
  return code === "" && typeof message === "string" && LOST_TEXT.test(message);
}

/** The transaction lost against another one and may be tried again: a serialization failure or a deadlock. */
export function isConflict(error: unknown): boolean {
  const code = codeOf(error);
  return code === "40001" || code === "40P01";
}

/** The server answered with an error and goes on; anything else ends the connection. */
export function isAnswer(error: unknown): boolean {
  return (error as { severity?: unknown } | null | undefined)?.severity === "ERROR";
}

export function isUniqueViolation(error: unknown): boolean {
  for (const link of chain(error)) if (link.code === "23505") return true;
  return false;
}

export function isConnectionLost(error: unknown): boolean {
  for (const link of chain(error)) {
    // Not to be tried again blindly, although the server is away.
    if (link.code === "BELFRY_COMMIT_UNKNOWN") return false;
    if (link.code === "BELFRY_POSTGRES_UNREACHABLE" || isLost(link)) return true;
  }
  return false;
}
