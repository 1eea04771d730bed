import { createHash, type Hash } from "node:crypto";
import { createRequire, registerHooks } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const TAG = "belfry-generation";
const TAGGED = new RegExp(`[?&]${TAG}=(\\d+)`);
const PACKAGES = "/node_modules/";

/** The texts of the local modules of the loadings that go on now, by address. */
const loadings = new Map<number, Map<string, Hash>>();
/** Local modules of the old kind, which Node knows by their file alone, with the loading they came in by. */
const commonjs = new Map<string, number>();
let last = 0;
let hooked = false;
const cache = createRequire(import.meta.url).cache;

export interface LoadedModule {
  exported: unknown;
  /** A hash of the module's text and that of all local modules it imported. */
  code: string;
}

/**
 * Imports a file together with its local modules, and never from the cache: whatever it imports by a
 * relative path (or `#name`) outside `node_modules`, at any depth, is read and run again. What it
 * imports by a package's name is the one copy that this process has.
 *
 * Node keeps every module for as long as the process lives, so the texts of the local modules of
 * every loading stay in memory, with what they keep at their top level and functions refer to.
 */
export async function importAnew(file: string): Promise<LoadedModule> {
  hook();
  last += 1;
  const generation = last;
  const texts = new Map<string, Hash>();
  loadings.set(generation, texts);
  for (const url of commonjs.keys()) delete cache[fileURLToPath(url)];
  try {
    const module = await import(tagged(pathToFileURL(file).href, generation));
    return { exported: module.default, code: codeOf(texts, new URL(".", pathToFileURL(file)).href) };
  } finally {
    loadings.delete(generation);
  }
}

/** The same for the same files in another folder. */
function codeOf(texts: ReadonlyMap<string, Hash>, base: string): string {
  const all = createHash("sha256");
  for (const [url, text] of [...texts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    all.update(`${url.startsWith(base) ? url.slice(base.length) : url}\0`).update(text.digest());
  }
  return all.digest("hex");
}

/** A module belongs to the loading of the one that imports it, which is told by that one's address. */
function hook(): void {
  if (hooked) return;
  hooked = true;
  registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      const generation = generationOf(context.parentURL);
      if (generation === undefined || !isLocal(specifier, found.url)) return found;
      return { ...found, url: tagged(found.url, generation) };
    },
    load(url, context, next) {
      const loaded = next(url, context);
      const generation = generationOf(url);
      if (generation === undefined) return loaded;
      const plain = url.replace(TAGGED, "");
      if (loaded.format?.startsWith("commonjs")) commonjs.set(plain, generation);
      if (loaded.source !== undefined && loaded.source !== null) {
        const text = typeof loaded.source === "string" ? loaded.source : Buffer.from(loaded.source as Uint8Array);
        loadings.get(generation)?.set(plain, createHash("sha256").update(text));
      }
      return loaded;
    },
  });
}

function isLocal(specifier: string, url: string): boolean {
  return /^(?:\.{0,2}\/|file:|#)/.test(specifier) && url.startsWith("file:") && !url.includes(PACKAGES);
}

function generationOf(url: string | undefined): number | undefined {
  if (url === undefined) return undefined;
  const tag = TAGGED.exec(url)?.[1];
  return tag === undefined ? commonjs.get(url) : Number(tag);
}

function tagged(url: string, generation: number): string {
  return `${url}${url.includes("?") ? "&" : "?"}${TAG}=${generation}`;
}

/** A message without what this file adds to addresses. */
export function withoutTags(message: string): string {
  return message.replace(new RegExp(TAGGED, "g"), "");
}
