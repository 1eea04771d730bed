import { readFileSync } from "node:fs";

/** What a README lists in the first column of its tables, sorted. */
export function documented(readme: URL, row: RegExp): string[] {
  const found = readFileSync(readme, "utf8")
    .split("\n")
    .map((line) => row.exec(line)?.[1]);
  return found.filter((name) => name !== undefined).sort();
}
