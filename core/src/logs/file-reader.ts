import { setImmediate as turn } from "node:timers/promises";
import type { LogLine, LogReader, LogTotals } from "../interfaces/log-store.ts";
import { logFaults } from "./errors.ts";
import { FRAME_TEXT } from "./frame.ts";
import type { FrameCache } from "./frame-cache.ts";
import { LineCursor, plainText } from "./line-cursor.ts";
import type { Segment } from "./segment.ts";

const BATCH_LINES = 2048;
/** How often a file that another process writes is looked at, in milliseconds. */
const LOOK_EVERY = 100;
/** No channel: keeps a line left open at a segment's end apart from the next segment. */
const NONE = -1;

/** What a reader asks of its store. */
export interface ReaderStore {
  readonly cache: FrameCache;
  /** The segments of a log from a number on, each held for the caller. */
  segments(key: string, from: number): Promise<Segment[]>;
}

/** Reads one log: its segments one after the other. */
export class FileReader implements LogReader {
  readonly #store: ReaderStore;
  readonly #key: string;
  readonly #segments: Segment[];
  readonly #closing = new AbortController();
  #refreshing: Promise<void> | undefined;
  /** The last segment's file went away while it was written: nothing more comes. */
  #gone = false;

  constructor(store: ReaderStore, key: string, segments: Segment[]) {
    this.#store = store;
    this.#key = key;
    this.#segments = segments;
  }

  async info(): Promise<LogTotals & { finished: boolean }> {
    await this.#refresh();
    const totals = { lines: 0, bytes: 0, truncated: false };
    for (const segment of this.#segments) {
      totals.lines += segment.lines;
      totals.bytes += segment.bytes;
      totals.truncated ||= segment.truncated;
    }
    return { ...totals, finished: this.#last.finished };
  }

  async lines(first: number, count: number): Promise<LogLine[]> {
    requireWhole(first, count);
    this.#requireOpen();
    if (first + count > this.#known) await this.#refresh();
    const walk = this.#walk(first);
    const lines: LogLine[] = [];
    while (lines.length < count) {
      const batch = await walk.next(Math.min(count - lines.length, BATCH_LINES));
      if (batch.length === 0) break;
      if (lines.length > 0) await turn();
      for (const line of batch) lines.push(line);
    }
    return lines;
  }

  async *follow(first: number, signal?: AbortSignal): AsyncGenerator<LogLine[], void, undefined> {
    requireWhole(first);
    this.#requireOpen();
    const ended = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    const walk = this.#walk(first);
    while (!ended.aborted) {
      let batch: LogLine[];
      try {
        batch = await walk.next(BATCH_LINES);
        if (batch.length === 0) {
          const over = await this.#over();
          batch = await walk.next(BATCH_LINES);
          if (batch.length === 0 && over) return;
        }
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        throw error;
      }
      if (ended.aborted) return;
      if (batch.length > 0) {
        yield batch;
        // Lines that are in memory come without any waiting; others shall have their turn.
        await turn();
      } else if (walk.position >= this.#known && !this.#last.finished) await this.#growth(ended);
    }
  }

  async *raw(signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    this.#requireOpen();
    await this.#refresh();
    let open: number | undefined;
    for (const segment of [...this.#segments]) {
      if (open !== undefined) open = NONE;
      const count = segment.starts.length;
      for (let index = 0; index < count; ) {
        const group = await segment.read(index);
        for (const reading of group) reading.catch(() => {});
        const pieces: Buffer[] = [];
        for (const reading of group) {
          if (index === count) break;
          open = plainText(await reading, open, pieces);
          index += 1;
        }
        for (const piece of pieces) {
          if (signal?.aborted || this.#closing.signal.aborted) return;
          yield piece;
        }
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.#refreshing?.catch(() => {});
    for (const segment of this.#segments) segment.release();
  }

  get #last(): Segment {
    return this.#segments.at(-1) as Segment;
  }

  get #known(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.lines, 0);
  }

  #walk(first: number): LineWalk {
    return new LineWalk(this.#segments, this.#store.cache, first);
  }

  /** True when nothing more can come. */
  async #over(): Promise<boolean> {
    await this.#refresh();
    return this.#gone || this.#last.finished;
  }

  async #growth(signal: AbortSignal): Promise<void> {
    if (this.#last.own) return this.#last.growth(signal);
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, LOOK_EVERY);
      signal.addEventListener("abort", done);
    });
  }

  /** Sees what was added by others: lines, an end, further segments. */
  #refresh(): Promise<void> {
    this.#requireOpen();
    this.#refreshing ??= this.#look().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #look(): Promise<void> {
    for (;;) {
      const last = this.#last;
      await last.look();
      if (!last.finished) {
        if (!last.nameless) return;
        // Another process has sealed it. The lines are the same; the end is in the new file.
        const [again, ...more] = await this.#store.segments(this.#key, last.ordinal);
        if (!again) {
          this.#gone = true;
          return;
        }
        this.#segments.splice(-1, 1, again, ...more);
        last.release();
        continue;
      }
      const more = await this.#store.segments(this.#key, last.ordinal + 1);
      if (more.length === 0) return;
      this.#segments.push(...more);
    }
  }

  #requireOpen(): void {
    if (this.#closing.signal.aborted) throw logFaults.logReaderClosed();
  }
}

/** A place in a log that moves on line by line. */
class LineWalk {
  readonly #segments: readonly Segment[];
  readonly #cache: FrameCache;
  /** The number of the next line. */
  position: number;
  #cursor: LineCursor | undefined;

  constructor(segments: readonly Segment[], cache: FrameCache, first: number) {
    this.#segments = segments;
    this.#cache = cache;
    this.position = first;
  }

  /** Up to `count` lines that are there, bounded in bytes too; none if there are none now. */
  async next(count: number): Promise<LogLine[]> {
    const lines: LogLine[] = [];
    let bytes = 0;
    while (lines.length < count && bytes < FRAME_TEXT) {
      if (!this.#cursor || this.#cursor.left === 0) this.#cursor = await this.#find();
      if (!this.#cursor) break;
      const before = lines.length;
      this.#cursor.take(count - before, lines);
      for (let index = before; index < lines.length; index += 1) bytes += (lines[index] as LogLine).data.length;
      this.position += lines.length - before;
    }
    return lines;
  }

  async #find(): Promise<LineCursor | undefined> {
    let base = 0;
    for (const segment of this.#segments) {
      const line = this.position - base;
      if (line < segment.lines) {
        const index = segment.frameOf(line);
        const first = segment.firsts[index] as number;
        const cursor = new LineCursor(await this.#cache.get(segment, index), base + first);
        cursor.skip(line - first);
        return cursor;
      }
      base += segment.lines;
    }
    return undefined;
  }
}

function requireWhole(...numbers: number[]): void {
  for (const number of numbers) if (!Number.isSafeInteger(number) || number < 0) throw logFaults.logCountInvalid();
}
