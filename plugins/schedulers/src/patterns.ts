import { createRequire } from "node:module";
import { z } from "belfry";

// picomatch ships no types, and is CommonJS.
const picomatch = createRequire(import.meta.url)("picomatch") as (
  pattern: string,
  options: { dot: boolean; nonegate: boolean },
) => (text: string) => boolean;

const pattern = z
  .string()
  .min(1)
  .max(1_000)
  .refine((text) => text !== "!", "expected a pattern behind the exclamation mark");

/** One glob pattern or several. */
export const patterns = z.union([pattern, z.array(pattern).min(1)]);

/**
 * Compiles glob patterns. A text fits if it fits one of them and none of those that begin with "!";
 * where all begin with "!", everything else fits. `*` stops at `/`, `**` does not.
 */
export function compilePatterns(given: string | readonly string[]): (text: string) => boolean {
  const list = typeof given === "string" ? [given] : given;
  const compile = (text: string) => picomatch(text, { dot: true, nonegate: true });
  const wanted = list.filter((text) => !text.startsWith("!")).map(compile);
  const refused = list.filter((text) => text.startsWith("!")).map((text) => compile(text.slice(1)));
  return (text) => (wanted.length === 0 || wanted.some((fits) => fits(text))) && !refused.some((fits) => fits(text));
}
