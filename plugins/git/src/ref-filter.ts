import { z } from "belfry";
import picomatch from "picomatch";

export const MAX_NAME_LENGTH = 255;

/** Backtracking over names from outside stays cheap as long as a pattern has few stars. */
const pattern = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => text !== "!", "expected a pattern after the !")
  .refine((text) => (text.match(/\*+/g)?.length ?? 0) <= 3, "expected at most three * in a pattern")
  .refine((text) => !/[()|]/.test(text), 'expected no "(", ")" or "|": use braces, such as "{main,release/*}"');

/** Patterns such as `"main"`, `"release/*"`, `"{main,next}"`, `"**"`, and `"!wip/*"` to leave some out; or `true` for all. */
export const refPatterns = z.union([z.literal(true), z.array(pattern).min(1).max(100)]);

/** Makes the test of a branch's or tag's name. With nothing but `!` patterns every other one matches. */
export function refFilter(patterns: z.output<typeof refPatterns>): (name: string) => boolean {
  if (patterns === true) return () => true;
  const compile = (text: string) =>
    picomatch(text, { dot: true, nonegate: true, noextglob: true, regex: false, posix: false, windows: false });
  const wanted = patterns.filter((text) => !text.startsWith("!")).map(compile);
  const unwanted = patterns.filter((text) => text.startsWith("!")).map((text) => compile(text.slice(1)));
  return (name) =>
    (wanted.length === 0 || wanted.some((matches) => matches(name))) && !unwanted.some((matches) => matches(name));
}
