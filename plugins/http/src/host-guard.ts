import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { faults } from "./errors.ts";
import type { HttpOptions } from "./options.ts";

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** What a Host header holds: a name, an IPv4 address or an IPv6 address in brackets, and maybe a port. */
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(\d{1,5}))?$/i;

interface HostAndPort {
  name: string;
  port: string;
}

function parseHost(host: string): HostAndPort | undefined {
  const match = HOST.exec(host);
  if (match?.[1] === undefined || Number(match[2] ?? 0) > 65_535) return undefined;
  return { name: match[1].toLowerCase().replace(/\.$/, ""), port: match[2] ?? "" };
}

const inBrackets = (address: string) => (isIP(address) === 6 ? `[${address.toLowerCase()}]` : address.toLowerCase());

/** Host and Origin of a request, judged before anything else is done with it. */
export interface HostGuard {
  /** Throws `BELFRY_HTTP_HOST_REFUSED` or `BELFRY_HTTP_ORIGIN_REFUSED`. `host` is the one that the client named. */
  check(req: IncomingMessage, host: string): void;
  /** The origin of a request from a site in `allowedOrigins`. */
  allowed(req: IncomingMessage): string | undefined;
}

/**
 * Keeps pages of other sites away. A browser sends what such a page asks for, to this machine too:
 * under the page's own name if its owner lets that name point here (so the Host is checked), or as a
 * foreign POST (so the Origin is checked).
 */
export function hostGuard(options: Pick<HttpOptions, "host" | "trustedHosts" | "allowedOrigins">): HostGuard {
  const trusted = new Set([
    ...LOOPBACK,
    inBrackets(options.host),
    ...options.trustedHosts.map((name) => name.toLowerCase()),
  ]);
  const origins = new Set(options.allowedOrigins.map((origin) => origin.toLowerCase()));
  const known = new Set<string>();

  const isTrusted = (req: IncomingMessage, host: string): boolean => {
    if (known.has(host)) return true;
    const parsed = parseHost(host);
    if (parsed === undefined) return false;
    const trustedName = trusted.has(parsed.name) || trusted.has(`${parsed.name}:${parsed.port}`);
    // Of an address nobody but its machine can be the owner, so the one that was connected to is fine.
    if (!trustedName) return isOwnAddress(req, parsed.name);
    if (known.size < 100) known.add(host);
    return true;
  };

  const allowed = (req: IncomingMessage) => {
    const origin = req.headers.origin;
    return origin !== undefined && origins.has(origin.toLowerCase()) ? origin : undefined;
  };

  return {
    allowed,
    check(req, host) {
      // Of two hosts Node keeps the first one and a proxy perhaps the other.
      if (countOf(req, "host") > 1 || !isTrusted(req, host)) throw faults.hostRefused(host);
      const origin = req.headers.origin;
      const site = req.headers["sec-fetch-site"];
      if (origin === undefined && site === undefined) return;
      if (isPlainRead(req) || allowed(req) !== undefined) return;
      if (origin !== undefined && !isSameHost(origin, host)) throw faults.originRefused(origin);
      if (site === "cross-site" || (origin === undefined && site === "same-site"))
        throw faults.originRefused(origin ?? "");
    },
  };
}

/**
 * Where a request comes from, for callers whose credentials a browser sends by itself: `ours` from a page of this
 * server, or from no page; `theirs` if a page of another site made it; `unsaid` if it does not tell. Following a link
 * is nobody's doing but the reader's.
 */
export function cameFrom(req: IncomingMessage, host: string): "ours" | "theirs" | "unsaid" {
  const { origin, "sec-fetch-site": site, "sec-fetch-mode": mode } = req.headers;
  if (isPlainRead(req)) {
    if (site === undefined || site === "same-origin" || site === "none" || mode === "navigate") return "ours";
    return "theirs";
  }
  if (origin !== undefined) return isSameHost(origin, host) ? "ours" : "theirs";
  if (site === undefined) return "unsaid";
  return site === "same-origin" || site === "none" ? "ours" : "theirs";
}

export const isReading = isPlainRead;

function countOf({ rawHeaders }: IncomingMessage, name: string): number {
  return rawHeaders.filter((header, i) => i % 2 === 0 && header.toLowerCase() === name).length;
}

function isOwnAddress(req: IncomingMessage, name: string): boolean {
  const address = req.socket.localAddress;
  if (address === undefined) return false;
  return inBrackets(address.replace(/^::ffff:(?=\d+\.)/i, "")) === name;
}

function isPlainRead(req: IncomingMessage): boolean {
  return (req.method === "GET" || req.method === "HEAD") && req.headers.upgrade === undefined;
}

function isSameHost(origin: string, host: string): boolean {
  const match = /^(https?):\/\/(.+)$/i.exec(origin);
  if (match?.[1] === undefined || match[2] === undefined) return false;
  const fallback = match[1].toLowerCase() === "https" ? "443" : "80";
  const theirs = parseHost(match[2]);
  const ours = parseHost(host);
  return theirs !== undefined && theirs.name === ours?.name && (theirs.port || fallback) === (ours.port || fallback);
}
