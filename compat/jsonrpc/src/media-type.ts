import type { IncomingHttpHeaders } from "node:http";

const JSON_TYPES = new Set(["application/json", "application/json-rpc", "application/jsonrequest"]);

/**
 * Whether a body may be taken as JSON. That is what its type says, or what a program means that
 * names no type, as `curl -d` does, whose default is that of a form. A browser sends a form of any
 * site's page, so from a browser only the type counts: that one a foreign page cannot send unasked.
 */
export function mayBeJson(headers: IncomingHttpHeaders): boolean {
  const header = headers["content-type"] ?? "";
  const [type = "", ...parameters] = header
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  if (JSON_TYPES.has(type))
    return parameters.every((parameter) => !parameter.startsWith("charset=") || /^charset="?utf-?8"?$/.test(parameter));
  const fromBrowser = headers.origin !== undefined || headers["sec-fetch-site"] !== undefined;
  return !fromBrowser && (type === "" || type === "application/x-www-form-urlencoded");
}
