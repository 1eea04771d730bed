import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";

const DEFAULT_TIME_LIMIT = 180;

export interface FoundFile {
  file: string;
  timeLimit: number;
  /** Whether it, or a helper it imports by a relative path, uses `test/tools/postgres.ts`. */
  usesPostgres: boolean;
}

/**
 * The test files below `root`, those that may take longest first. With filters only files whose path (from the
 * working folder) contains one of them. Folders named `fixtures` hold what tests read, not tests.
 */
export async function discover(root: string, ending: string, filters: string[]): Promise<FoundFile[]> {
  const files = await filesBelow(root, ending);
  const wanted = files.filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)));
  const found = await Promise.all(
    wanted.map(async (file) => ({ file, timeLimit: await timeLimitOf(file), usesPostgres: await usesPostgres(file) })),
  );
  return found.sort((a, b) => b.timeLimit - a.timeLimit || (a.file < b.file ? -1 : 1));
}

async function filesBelow(folder: string, ending: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const nested = entries.map(async (entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      return ["fixtures", "node_modules", "dist"].includes(entry.name) ? [] : filesBelow(path, ending);
    }
    return entry.name.endsWith(ending) ? [relative("", path)] : [];
  });
  return (await Promise.all(nested)).flat();
}

async function timeLimitOf(file: string): Promise<number> {
  const firstLines = (await readFile(file, "utf8")).split("\n", 20).join("\n");
  const asked = /^\s*\/\/ time limit: (\d+) s\s*$/m.exec(firstLines)?.[1];
  return asked === undefined ? DEFAULT_TIME_LIMIT : Number(asked);
}

async function usesPostgres(file: string, seen = new Set<string>()): Promise<boolean> {
  const path = resolve(file);
  if (seen.has(path)) return false;
  seen.add(path);
  const text = await readFile(path, "utf8").catch(() => "");
  for (const [, specifier] of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+\.ts)"/g)) {
    const imported = resolve(dirname(path), specifier as string);
    if (imported.endsWith("/test/tools/postgres.ts") || (await usesPostgres(imported, seen))) return true;
  }
  return false;
}
