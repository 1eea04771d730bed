import { HTTP_SERVER } from "@belfry/http";
import type { Master } from "belfry";

/** Where a running master's HTTP server listens. */
export function httpUrl(master: Master): string {
  const { url } = master.container.resolve(HTTP_SERVER);
  if (!url) throw new Error("the HTTP server does not listen");
  return url;
}
