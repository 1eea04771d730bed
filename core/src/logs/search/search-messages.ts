import type { ErrorText } from "../../errors/belfry-error.ts";
import type { FilesPlace } from "./log-files.ts";
import type { FoundLine, SearchQuery, SearchRange } from "./query.ts";

/** What the thread is told about a search. After `begin` without files come blocks, and then `end`. */
export type ToThread = { id: number } & (
  | {
      kind: "begin";
      query: SearchQuery;
      range: SearchRange;
      limit: number;
      stop: SharedArrayBuffer;
      files?: FilesPlace;
    }
  | { kind: "block"; table: Uint8Array; text: Uint8Array; number: number }
  /** `whole` is false if there would be more blocks. */
  | { kind: "end"; whole: boolean }
);

/** What was found since the last message, and how far the search is. */
export interface Progress {
  found: FoundLine[];
  count: number;
  before: number;
  previous: number | null;
  next: number | null;
}

/** What the thread tells of a search. `taken` answers each block; one of `done` and `failed` answers `begin`. */
export type FromThread = { id: number } & (
  | { kind: "taken" }
  | ({ kind: "progress" } & Progress)
  /** `lines` is how many the files have, if there were files. */
  | ({ kind: "done"; complete: boolean; lines: number | undefined } & Progress)
  | { kind: "failed"; failure: Failure }
);

/** An error on its way from the thread. */
export type Failure = { pattern: string } | { fault: ErrorText & { code: string } } | { error: unknown };
