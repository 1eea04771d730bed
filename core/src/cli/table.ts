import { fit, pad, widthOf } from "./plain-text.ts";

/** Rows under their headings, in columns of equal width; the last column takes what is left. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number | undefined,
): string[] {
  const all = [headings, ...rows];
  const widths = headings.map((_, i) => Math.min(60, Math.max(...all.map((row) => widthOf(row[i] ?? "")))));
  return all.map((row) => {
    const cells = row.map((cell, i) => (i === row.length - 1 ? cell : pad(fit(cell, widths[i] ?? 0), widths[i] ?? 0)));
    const line = cells.join("  ").trimEnd();
    return columns === undefined ? line : fit(line, columns);
  });
}
