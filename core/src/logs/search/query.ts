import type { LogChannel } from "../../interfaces/log-store.ts";
import type { Millis } from "../../interfaces/values.ts";

/** What is looked for in each line: a text as it is, a pattern, or what looks like an error of a program. */
export type SearchQuery = { kind: "text" | "pattern"; wanted: string; ignoreCase: boolean } | { kind: "errors" };

/** Which of the lines that match are wanted: at most `limit`, from line `first` on. All are counted. */
export interface SearchRange {
  first: number;
  limit: number;
}

export interface FoundLine {
  number: number;
  channel: LogChannel;
  time: Millis;
  /** The line's beginning, decoded. */
  text: string;
}

export interface SearchResult {
  items: FoundLine[];
  /** Of all lines that were looked at, those that match. */
  count: number;
  /** Of these, how many are before `first`, and the last one of them. */
  before: number;
  previous: number | null;
  /** The line to go on with; `null` if the items are all there are from `first` on. */
  next: number | null;
  /** False when the time was over before the whole log was looked at. */
  complete: boolean;
}

/** A pattern that cannot be one, with the reason in the engine's words. */
export class PatternError extends Error {
  override readonly name = "PatternError";
}
