import type { StepContext, StepResult } from "belfry";
import { z } from "belfry";
import { linePatterns, plainLine } from "./line-patterns.ts";

/** Lines that are kept for the log of warnings, and their characters. */
const MOST_LINES = 10_000;
const MOST_TEXT = 1024 * 1024;
/** The figure's name. */
const FIGURE = "warnings";

/** The options of steps that count warnings, besides what a warning looks like. */
export const countingOptions = {
  suppress: linePatterns.default([]).describe("patterns of lines that do not count"),
  limit: z.int().min(0).optional().describe("more warnings than this are a failure"),
  mayOnlyFall: z
    .boolean()
    .default(false)
    .describe("more warnings than in the last good build of the same branch are a failure"),
};

export interface CountingSettings {
  patterns: readonly RegExp[];
  suppress: readonly RegExp[];
  limit?: number | undefined;
  mayOnlyFall: boolean;
}

/** Counts the warnings of one run, line by line; of the lines only a bounded number is kept. */
export class WarningCounter {
  readonly #settings: CountingSettings;
  readonly #lines: string[] = [];
  #text = 0;
  #count = 0;

  constructor(settings: CountingSettings) {
    this.#settings = settings;
  }

  line(text: string): void {
    const { patterns, suppress } = this.#settings;
    const line = plainLine(text);
    if (!patterns.some((pattern) => pattern.test(line)) || suppress.some((pattern) => pattern.test(line))) return;
    this.#count += 1;
    if (this.#lines.length >= MOST_LINES || this.#text + line.length > MOST_TEXT) return;
    this.#lines.push(line);
    this.#text += line.length;
  }

  /** Keeps the figure and the log, and says what the warnings make of how the command ended. */
  async finish(ctx: StepContext, ended: StepResult): Promise<StepResult> {
    const count = this.#count;
    ctx.statistic(FIGURE, count);
    if (count > 0) {
      const left = count - this.#lines.length;
      const more = left > 0 ? `and ${left} more, which are in the command's own log\n` : "";
      await ctx.log(`warnings (${count})`).write(`${this.#lines.join("\n")}\n${more}`);
    }
    const said = count === 1 ? "1 warning" : `${count} warnings`;
    if (ended.result !== "success") {
      return count === 0 ? ended : { ...ended, summary: [ended.summary, said].filter(Boolean).join(", ") };
    }
    const over = await this.#over(ctx, said);
    ctx.signal.throwIfAborted();
    if (over !== undefined) return { result: "failure", summary: over };
    return count === 0 ? ended : { result: "warnings", summary: said };
  }

  /** Why there are too many, if there are. */
  async #over(ctx: StepContext, said: string): Promise<string | undefined> {
    const { limit, mayOnlyFall } = this.#settings;
    if (limit !== undefined && this.#count > limit) return `${said}, the limit is ${limit}`;
    if (!mayOnlyFall) return undefined;
    const good = await ctx.lastGood();
    const bar = good?.statistics[FIGURE];
    if (good === undefined || bar === undefined || this.#count <= bar) return undefined;
    return `${said}, ${this.#count - bar} more than in build ${good.number}`;
  }
}
