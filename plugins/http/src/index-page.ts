import { version } from "belfry";
import type { HttpContext } from "./http-server.ts";
import type { Mounts } from "./mounts.ts";

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escaped = (text: string) => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");

/** The plain page at `/`: what is mounted where, until a web is. */
export function indexPage(ctx: HttpContext, mounts: Mounts): void {
  const entries = mounts.list().map(({ path, mount, allow }) => ({
    path,
    title: mount.title,
    describe: mount.describe,
    methods: allow.filter((method) => method !== "HEAD"),
  }));
  switch (ctx.accepts("text/plain", "text/html", "application/json")) {
    case "text/html":
      ctx.set("Content-Type", "text/html; charset=utf-8");
      ctx.set(
        "Content-Security-Policy",
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      );
      ctx.body = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Belfry</title>
<h1>Belfry ${escaped(version)}</h1>
<p>This master can be asked here:</p>
<dl>
${entries.map(({ path, title, describe, methods }) => `<dt><a href="${escaped(path.replace(/\/\*$/, "") || "/")}">${escaped(path)}</a> (${escaped(methods.join(", "))}): ${escaped(title)}</dt>\n<dd>${escaped(describe)}</dd>\n`).join("")}</dl>
</html>
`;
      return;
    case "application/json":
      ctx.set("Content-Type", "application/json; charset=utf-8");
      ctx.body = `${JSON.stringify({ name: "belfry", version, mounts: entries })}\n`;
      return;
    default:
      ctx.set("Content-Type", "text/plain; charset=utf-8");
      ctx.body = `Belfry ${version}\n\nThis master can be asked here:\n\n${entries
        .map(({ path, title, describe, methods }) => `${path}  (${methods.join(", ")})  ${title}\n    ${describe}\n`)
        .join("")}`;
  }
}
