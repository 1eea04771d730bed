import { messageOf } from "../errors/belfry-error.ts";
import { type Result, worseResult } from "../interfaces/values.ts";
import { resultOf } from "./build-failure.ts";
import { combineResults, type ResultFlags } from "./results.ts";

const MOST_SUMMARIES = 5;

/** What steps come to by their flags: for a build, or for a group within it. */
export class Tally {
  readonly #above: Tally | undefined;
  readonly #summaries: string[] = [];
  #result: Result = "success";
  #halted = false;

  constructor(above?: Tally) {
    this.#above = above;
  }

  get result(): Result {
    return this.#result;
  }

  /** The result so far with that of everything around. */
  get sofar(): Result {
    return this.#above ? worseResult(this.#above.sofar, this.#result) : this.#result;
  }

  /** True once only steps that always run are left. */
  get halted(): boolean {
    return this.#halted;
  }

  get summary(): string {
    return this.#summaries.slice(0, MOST_SUMMARIES).join("; ");
  }

  add(name: string, ended: { result: Result; summary: string }, flags: ResultFlags): void {
    const { result, halt } = combineResults(this.#result, ended.result, flags);
    if (result !== this.#result || halt) this.#summaries.push(`${name}: ${ended.summary || ended.result}`);
    this.#result = result;
    this.#halted ||= halt;
  }

  /** A throw outside of steps, or a stop. `text` is what it says, without secrets. */
  fail(error: unknown, text: string = messageOf(error)): void {
    const { result } = combineResults(this.#result, resultOf(error), {});
    if (result !== this.#result) this.#summaries.push(text);
    this.#result = result;
    this.#halted = true;
  }
}
