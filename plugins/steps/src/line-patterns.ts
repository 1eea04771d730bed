import { stripVTControlCharacters } from "node:util";
import { z } from "belfry";

/** A schema for patterns: regular expressions, or texts of them. */
export const linePatterns = z.array(
  z
    .union([z.instanceof(RegExp), z.string().min(1)], { error: "expected a pattern" })
    .transform((pattern, ctx): RegExp => {
      try {
        // A pattern that remembers where it was would find every second line only.
        return typeof pattern === "string"
          ? new RegExp(pattern)
          : new RegExp(pattern, pattern.flags.replace(/[gy]/g, ""));
      } catch (error) {
        ctx.addIssue({ code: "custom", message: `is no pattern: ${(error as Error).message}` });
        return z.NEVER;
      }
    }),
);

/** A line as a reader sees it, without colours. */
export function plainLine(line: string): string {
  return line.includes("\u001b") ? stripVTControlCharacters(line) : line;
}
