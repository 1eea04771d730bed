import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

export interface Asset {
  /** With its hash, so that it can be kept for ever. */
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
  readonly gzipped: Buffer;
  readonly etag: string;
}

export interface Assets {
  readonly style: Asset;
  readonly script: Asset;
  readonly icon: Asset;
  /** What is at a path; also for a hash of yesterday, since a page that is still open may ask for it. */
  at(path: string): Asset | undefined;
}

/** Reads what pages load: one stylesheet, one script, one icon. */
export async function loadAssets(): Promise<Assets> {
  const own = (name: string) => readFile(fileURLToPath(new URL(`../assets/${name}`, import.meta.url)));
  const morph = createRequire(import.meta.url).resolve("idiomorph/dist/idiomorph.min.js");
  const script = Buffer.concat([await readFile(morph), Buffer.from("\n"), await own("web.js"), await own("log.js")]);
  const assets = {
    style: await asset("style", "css", "text/css; charset=utf-8", await own("web.css")),
    script: await asset("script", "js", "text/javascript; charset=utf-8", script),
    icon: { ...(await asset("icon", "svg", "image/svg+xml", await own("icon.svg"))), path: "/web/icon.svg" },
  };
  return {
    ...assets,
    at(path) {
      const name = /^\/web\/(style|script)-[A-Za-z0-9_-]+\.(?:css|js)$/.exec(path)?.[1];
      if (name !== undefined) return assets[name as "style" | "script"];
      return path === assets.icon.path ? assets.icon : undefined;
    },
  };
}

async function asset(name: string, ending: string, type: string, body: Buffer): Promise<Asset> {
  const hash = createHash("sha256").update(body).digest("base64url").slice(0, 16);
  const gzipped = await promisify(gzip)(body, { level: 9 });
  return { path: `/web/${name}-${hash}.${ending}`, type, body, gzipped, etag: `"${hash}"` };
}
