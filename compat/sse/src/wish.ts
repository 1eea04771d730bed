import type { HttpContext, HttpServer } from "@belfry/http";
import type { EventWish } from "belfry";
import { faults } from "./errors.ts";

const KNOWN = new Set(["since", "types", "builder"]);

/** What a request asks for. Where a browser left off goes before what the address says. */
export function wishOf(ctx: HttpContext, http: HttpServer): EventWish {
  const refused = (why: string) => http.withStatus(faults.query(why), 400);
  const single = (name: string): string | undefined => {
    const value = ctx.query[name];
    if (Array.isArray(value)) throw refused(`"${name}" is given ${value.length} times.`);
    return value === "" ? undefined : value;
  };
  for (const name of Object.keys(ctx.query)) {
    if (!KNOWN.has(name)) throw refused(`There is no parameter "${name.slice(0, 100)}".`);
  }
  const types = [ctx.query["types"] ?? []]
    .flat()
    .flatMap((list) => list.split(","))
    .map((type) => type.trim())
    .filter((type) => type !== "");
  return {
    since: ctx.get("Last-Event-ID") || single("since"),
    types: types.length === 0 ? undefined : types,
    builder: single("builder"),
  };
}
