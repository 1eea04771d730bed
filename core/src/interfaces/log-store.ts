import type { Millis } from "./values.ts";

export type LogChannel = "stdout" | "stderr" | "header";

/** One line as it is stored: without its line end, not decoded. */
export interface LogLine {
  /** Counted from 0. */
  number: number;
  channel: LogChannel;
  /** When its first byte arrived. */
  time: Millis;
  /** The line's bytes without the line feed, not to be written to. A line longer than {@link MAX_LINE_BYTES} is cut in pieces, each a line of its own. */
  data: Uint8Array;
  /** True for a piece of a line that was too long, unless it is the last: the next line of its channel goes on with it. */
  continues?: true;
}

export const MAX_LINE_BYTES = 64 * 1024;

/** Names a log within a store: path-like, only `[A-Za-z0-9._/-]`, no `..`, at most 200 characters. */
export type LogKey = string;

export interface LogTotals {
  lines: number;
  bytes: number;
  /** True when the log reached its cap and the rest was thrown away. */
  truncated: boolean;
}

/**
 * Writes one log. Belongs to one writer; calls may not overlap for one channel, but `append` may be
 * called without awaiting the call before it, and keeps the order of the calls.
 */
export interface LogAppender {
  readonly totals: LogTotals;
  /**
   * Takes bytes as they arrive, not cut at lines. Returns `undefined` when the writer may go on at
   * once, or a promise to await before the next call (back-pressure). The store does not keep
   * `data` after that. A rejected promise (disk full) means the log ends here; what was readable
   * before stays readable, and later calls are ignored.
   */
  append(channel: LogChannel, data: Uint8Array, time: Millis): Promise<void> | undefined;
  /**
   * Makes everything appended so far visible to readers, also unfinished last lines: such a line ends
   * there as it is, and what comes later on its channel is a line of its own.
   */
  flush(): Promise<void>;
  /** Ends the log and packs it. Readers that hold it open go on reading. Harmless when called twice. */
  finish(): Promise<LogTotals>;
}

export interface LogReader extends AsyncDisposable {
  /** As of now; grows while the log is written. `finished` is false too for a log whose writer died. */
  info(): Promise<LogTotals & { finished: boolean }>;
  /**
   * Lines `first` to `first + count - 1`, as many of them as there are. Costs as much as the chunks
   * that hold them, wherever they are in the log.
   */
  lines(first: number, count: number): Promise<LogLine[]>;
  /**
   * Lines from `first` on, and those that come, in batches, until the log is finished or the signal
   * aborts (then it ends without throwing). Reads no further than the consumer asks.
   */
  follow(first: number, signal?: AbortSignal): AsyncIterable<LogLine[]>;
  /** The whole log as it was written, in pieces, without channels and times. */
  raw(signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

/**
 * Keeps the bytes of logs, outside the database. Called by the build runner (one appender a log)
 * and by the API (any number of readers). With several masters it has to be on shared storage; each
 * owner writes segments under its own fence, and a reader sees the segments one after the other.
 */
export interface LogStore {
  /**
   * Opens a log for writing. Opening a key that exists adds a segment with a higher fence.
   * `capBytes` limits the whole log; past it one clear last line on channel `header` says so.
   * Throws for a key that cannot be one or that this process writes already; that a newer fence owns
   * the log is told by the first promise.
   */
  create(key: LogKey, options: { fence: number; capBytes: number }): LogAppender;
  /** Rejects with `BELFRY_LOG_NOT_FOUND` if nobody ever wrote to this key. */
  open(key: LogKey): Promise<LogReader>;
  /** Removes a log, or everything below a key that ends in `/`. Harmless when there is nothing. */
  remove(key: LogKey): Promise<void>;
  /**
   * Packs what a dead writer of a lower fence left unfinished; called at recovery. The log then counts as finished.
   * Gives zero totals where there is no log.
   */
  seal(key: LogKey, options: { fence: number }): Promise<LogTotals>;
  start?(): Promise<void>;
  stop?(): Promise<void>;
}
