import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";

/** What these tools read of a package.json. */
export interface Manifest {
  name: string;
  version: string;
  license?: string;
  private?: boolean;
  files?: string[];
  exports?: Record<string, unknown>;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

export interface Package {
  /** Path from the repository's root, such as `plugins/git`. */
  folder: string;
  manifest: Manifest;
  /** Whether it has a tsconfig.json, and so a `dist` to build. */
  compiled: boolean;
}

/** The repository's root, with a slash at the end. */
export const root = join(import.meta.dirname, "..", "..", "/");

/** Every package of the repository: core, and what lies in plugins, compat and examples. */
export async function packages(): Promise<Package[]> {
  const rooms = await Promise.all(["plugins", "compat", "examples"].map((room) => foldersIn(join(root, room))));
  const folders = [join(root, "core"), ...rooms.flat()].filter((folder) => existsSync(join(folder, "package.json")));
  return Promise.all(
    folders.map(async (folder) => ({
      folder: relative(root, folder),
      manifest: JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as Manifest,
      compiled: existsSync(join(folder, "tsconfig.json")),
    })),
  );
}

async function foldersIn(folder: string): Promise<string[]> {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, entry.name))
    .sort();
}

/** Every source file below a folder of the repository, as paths from the root. */
export async function sourcesOf(folder: string): Promise<string[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile() && /\.[cm]?[jt]s$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !/(^|\/)(node_modules|dist|fixtures)\//.test(path))
    .sort();
}
