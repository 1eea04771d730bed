import type { IncomingHttpHeaders } from "node:http";

const XML_TYPES = new Set(["text/xml", "application/xml"]);

/** The charset that a body is said to have, if the body may be taken as XML. */
export interface XmlBody {
  charset: string | undefined;
}

/**
 * Whether a body may be taken as XML. That is what its type says, or what a program means that names
 * no type, as `curl -d` does, whose default is that of a form. A browser sends a form of any site's
 * page, so from a browser only the type counts, and of the types only one that a foreign page cannot
 * send unasked.
 */
export function xmlBody(headers: IncomingHttpHeaders): XmlBody | undefined {
  const [type = "", ...parameters] = (headers["content-type"] ?? "").split(";").map((part) => part.trim());
  if (XML_TYPES.has(type.toLowerCase())) {
    const charsets = parameters.map((parameter) => /^charset="?([^"]*)"?$/i.exec(parameter)?.[1]);
    return { charset: charsets.find((charset) => charset !== undefined) };
  }
  const fromBrowser = headers.origin !== undefined || headers["sec-fetch-site"] !== undefined;
  const unnamed = type === "" || type.toLowerCase() === "application/x-www-form-urlencoded";
  return unnamed && !fromBrowser ? { charset: undefined } : undefined;
}
