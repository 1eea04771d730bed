import type { Arrival } from "@belfry/http";
import { KEY_FORM } from "./keys.ts";

/**
 * The cookie of a session. Where the reader comes by https nobody but this server can have set it (`__Host-`);
 * elsewhere its name has the port, since cookies of one machine are shared by all its ports.
 */
function nameOf({ host, secure }: Pick<Arrival, "host" | "secure">, what: string): string {
  if (secure) return `__Host-belfry-${what}`;
  return `belfry-${what}-${/:(\d+)$/.exec(host)?.[1] ?? "80"}`;
}

/**
 * Spaces and tabs around a name belong to the header. Any other space is part of the name: a browser lets neighbours
 * set a cookie that only looks as if it began with `__Host-`.
 */
const PAIR = /^[ \t]*([^= \t]+)[ \t]*=[ \t]*([^ \t]*)[ \t]*$/;

export type CookieWhat = "session" | "oidc";

/** The value of one of our cookies in a request. */
export function readCookie(arrival: Arrival, what: CookieWhat = "session"): string | undefined {
  const name = nameOf(arrival, what);
  for (const part of (arrival.req.headers.cookie ?? "").split(";")) {
    const [, known, value] = PAIR.exec(part) ?? [];
    if (known === name) return value;
  }
  return undefined;
}

/** The key of the session that a request shows. */
export function sessionKey(arrival: Arrival): string | undefined {
  const value = readCookie(arrival);
  return value !== undefined && KEY_FORM.test(value) ? value : undefined;
}

/** A header `Set-Cookie`; with the value `""` it takes the cookie away. */
export function writeCookie(
  arrival: Pick<Arrival, "host" | "secure">,
  value: string,
  seconds: number,
  what: CookieWhat = "session",
): string {
  const age = value === "" ? 0 : Math.floor(seconds);
  const safe = arrival.secure ? "; Secure" : "";
  return `${nameOf(arrival, what)}=${value}; Path=/; Max-Age=${age}; HttpOnly; SameSite=Lax${safe}`;
}
