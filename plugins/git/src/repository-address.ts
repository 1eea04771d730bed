import { resolve } from "node:path";
import { faults } from "./errors.ts";

/** Where a repository is, with what is secret taken out. */
export interface RepositoryAddress {
  /** For git, and for people to see: never holds a password. */
  url: string;
  kind: "local" | "http" | "ssh" | "git";
  /** From `https://user:password@host/`; `password` is missing if only a user was given. */
  credentials?: { scope: string; username: string; password?: string };
}

const MAX_LENGTH = 2_000;
const CONTROL = /\p{Cc}/u;
const HOST = /^(\[[0-9a-f:.%]+\]|[\p{L}\p{N}_][\p{L}\p{N}._-]*)(:\d{1,5})?$/iu;

/**
 * Reads an address as a user writes it. A relative path starts at `folder`. Throws
 * `BELFRY_GIT_REPOSITORY_INVALID`, whose text never repeats the address.
 */
export function parseAddress(text: string, folder: string): RepositoryAddress {
  if (text === "") throw faults.repositoryInvalid("It is empty.");
  if (text.length > MAX_LENGTH) throw faults.repositoryInvalid(`It is longer than ${MAX_LENGTH} characters.`);
  if (CONTROL.test(text)) throw faults.repositoryInvalid("It holds control characters.");
  if (text.startsWith("-")) throw faults.repositoryInvalid('It starts with "-", which git would take for an option.');
  const url = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/]*)(.*)$/.exec(text);
  if (url) return parseUrl((url[1] ?? "").toLowerCase(), url[2] ?? "", url[3] ?? "");
  if (/^[A-Za-z0-9+.-]+::/.test(text)) throw faults.repositoryInvalid("It names a transport helper.");
  const colon = text.indexOf(":");
  const isDrive = process.platform === "win32" && /^[A-Za-z]:[\\/]/.test(text);
  if (colon > 0 && !isDrive && !/[/\\]/.test(text.slice(0, colon))) return parseScp(text);
  return { url: resolve(folder, text), kind: "local" };
}

function parseUrl(scheme: string, authority: string, path: string): RepositoryAddress {
  const at = authority.lastIndexOf("@");
  const user = at < 0 ? undefined : authority.slice(0, at);
  const host = authority.slice(at + 1);
  if (scheme === "file") {
    if (user !== undefined) throw faults.repositoryInvalid("A file has no user.");
    return { url: `file://${authority}${path}`, kind: "local" };
  }
  if (!HOST.test(host)) throw faults.repositoryInvalid("Its host is none.");
  if (scheme === "http" || scheme === "https") {
    const scope = `${scheme}://${host}`;
    const address: RepositoryAddress = { url: scope + path, kind: "http" };
    return user === undefined || user === "" ? address : { ...address, credentials: { scope, ...readUser(user) } };
  }
  const isSsh = scheme === "ssh" || scheme === "git+ssh" || scheme === "ssh+git";
  if (!isSsh && scheme !== "git")
    throw faults.repositoryInvalid("Its protocol is none of file, git, http, https and ssh.");
  if (user?.includes(":")) throw faults.repositoryInvalid("A password can only be part of an http or https address.");
  if (user?.startsWith("-")) throw faults.repositoryInvalid('Its user starts with "-".');
  return { url: `${scheme}://${authority}${path}`, kind: isSsh ? "ssh" : "git" };
}

function readUser(text: string): { username: string; password?: string } {
  const colon = text.indexOf(":");
  const decode = (part: string) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  };
  const username = decode(colon < 0 ? text : text.slice(0, colon));
  const password = colon < 0 ? undefined : decode(text.slice(colon + 1));
  if (CONTROL.test(username) || CONTROL.test(password ?? ""))
    throw faults.repositoryInvalid("Its user or password holds control characters.");
  return password === undefined ? { username } : { username, password };
}

function parseScp(text: string): RepositoryAddress {
  const match = /^(?:([^@:/]+)@)?(\[[^\]]+\]|[^:]+):(.+)$/.exec(text);
  if (!match) throw faults.repositoryInvalid("It is neither a path nor a URL.");
  const [, user, host = "", path = ""] = match;
  if (user?.startsWith("-") || !HOST.test(host)) throw faults.repositoryInvalid("Its host is none.");
  if (/^[^/]*@/.test(path)) throw faults.repositoryInvalid("A password can only be part of an http or https address.");
  return { url: text, kind: "ssh" };
}

/** Takes passwords out of what git says, and what a terminal would obey. */
export function maskText(text: string, address: RepositoryAddress): string {
  let masked = text.replace(/(\w:\/\/)[^/@\s]+@/g, "$1***@");
  const { username, password } = address.credentials ?? {};
  // A user alone is most often a token, as GitHub takes it.
  for (const secret of [password, password ? undefined : username]) {
    if (!secret) continue;
    masked = masked.replaceAll(secret, "***").replaceAll(encodeURIComponent(secret), "***");
  }
  return masked.replace(/[^\P{Cc}\t\n]/gu, " ");
}
