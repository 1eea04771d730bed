import { BelfryError } from "../errors/belfry-error.ts";
import type { LogTotals } from "../interfaces/log-store.ts";
import { logFaults } from "./errors.ts";
import { closeFile, openFile, readAt, statFile } from "./file-calls.ts";
import {
  decodeEnd,
  decodeHead,
  decodeHeader,
  END,
  endSize,
  type Frame,
  HEAD_BYTES,
  HEADER_BYTES,
  readFrame,
  type SealedFrame,
  type SegmentEnd,
  TRUNCATED,
  textBytes,
} from "./frame.ts";

const END_GUESS = 16 * 1024;
const SCAN_BLOCK = 8 * 1024;
/** Small frames are read together with what follows them. */
const READ_TOGETHER = 64 * 1024;

let serial = 0;

/**
 * One open file of a log, and the index of its frames in memory. It is shared: by the appender that
 * writes it and by all readers in this process. Each holds it (`hold`, `release`); the last to let
 * go closes the file. The index only grows, so what was read from it stays true.
 */
export class Segment {
  readonly id = ++serial;
  readonly path: string;
  readonly ordinal: number;
  /** A writer in this process tells of every growth; otherwise the file has to be looked at. */
  readonly own: boolean;
  fence: number | undefined;
  /** -1 until the file is opened, and when it is closed. */
  fd = -1;
  inode = 0;
  /** At the last look, the file had no name any more: it was replaced (packed by another process) or removed. */
  nameless = false;
  /** Where each frame begins in the file. */
  readonly starts: number[] = [];
  /** The number, within the segment, of each frame's first line. */
  readonly firsts: number[] = [];
  /** Where the next frame begins. */
  end = HEAD_BYTES;
  lines = 0;
  bytes = 0;
  truncated = false;
  /** Nothing is going to be added. */
  finished = false;
  packed = false;
  #holders = 1;
  #waiting = new Set<() => void>();
  #looking: Promise<void> | undefined;

  constructor(path: string, ordinal: number, own: boolean) {
    this.path = path;
    this.ordinal = ordinal;
    this.own = own;
  }

  /** Rejects as `open` does. */
  static async open(path: string, ordinal: number): Promise<Segment> {
    const segment = new Segment(path, ordinal, false);
    segment.fd = await openFile(path, "r");
    try {
      await segment.look();
      return segment;
    } catch (error) {
      segment.release();
      throw error;
    }
  }

  get totals(): LogTotals {
    return { lines: this.lines, bytes: this.bytes, truncated: this.truncated };
  }

  hold(): this {
    this.#holders += 1;
    return this;
  }

  release(): void {
    this.#holders -= 1;
    if (this.#holders > 0 || this.fd === -1) return;
    const { fd } = this;
    this.fd = -1;
    void closeFile(fd);
  }

  /** The appender wrote these frames at `end`. */
  grow(frames: readonly SealedFrame[]): void {
    for (const frame of frames) this.#add(frame.size, frame.lines, frame.bytes, frame.truncated);
    this.wake();
  }

  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  /** Resolves when the segment has grown or ended, or the signal aborts. */
  growth(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        this.#waiting.delete(done);
        resolve();
      };
      if (signal.aborted) return resolve();
      signal.addEventListener("abort", done);
      this.#waiting.add(done);
    });
  }

  /** Sees what another process has added. Overlapping calls share one look. */
  look(): Promise<void> {
    if (this.own || this.finished) return Promise.resolve();
    this.#looking ??= this.#whileHeld(() => this.#look()).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** The index of the frame that holds a line of the segment. */
  frameOf(line: number): number {
    let low = 0;
    let high = this.firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.firsts[middle] as number) <= line) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  frameSize(index: number): number {
    return (this.starts[index + 1] ?? this.end) - (this.starts[index] as number);
  }

  /**
   * Reads a frame, and small ones that follow it in the same read (not from packed files, where there are none).
   * `memory` gives room to read into; who does not give it may keep the frames.
   */
  async read(index: number, memory?: (bytes: number) => Buffer): Promise<Promise<Frame>[]> {
    const start = this.starts[index] as number;
    let after = index + 1;
    while (
      !this.packed &&
      after < this.starts.length &&
      (this.starts[after + 1] ?? this.end) - start <= READ_TOGETHER
    ) {
      after += 1;
    }
    const starts = this.starts.slice(index, after);
    const end = this.starts[after] ?? this.end;
    const block = await this.#whileHeld(() => readAt(this.fd, start, end - start, memory?.(end - start)));
    return starts.map((at) => readFrame(block, at - start));
  }

  /** The fence of the writer, from the file's head. */
  async readFence(): Promise<number> {
    this.fence ??= decodeHead(await this.#whileHeld(() => readAt(this.fd, 0, HEAD_BYTES))) ?? 0;
    return this.fence;
  }

  /** The file's end, telling where each frame is; `more` are frames that are being written with it. */
  endRecord(packed: boolean, more: readonly SealedFrame[] = []): SegmentEnd {
    const frames = this.starts.map((_, index) => ({ size: this.frameSize(index), lines: this.#linesOf(index) }));
    const end: SegmentEnd = { ...this.totals, packed, frames };
    for (const { size, lines, bytes, truncated } of more) {
      frames.push({ size, lines });
      end.lines += lines;
      end.bytes += bytes;
      end.truncated ||= truncated;
    }
    return end;
  }

  /** Keeps the file open meanwhile: a descriptor that was closed may soon be another file. */
  async #whileHeld<T>(work: () => Promise<T>): Promise<T> {
    if (this.fd === -1) throw logFaults.logReaderClosed();
    this.hold();
    try {
      return await work();
    } catch (error) {
      throw BelfryError.is(error) ? error : logFaults.logReadFailed(error);
    } finally {
      this.release();
    }
  }

  #linesOf(index: number): number {
    return (this.firsts[index + 1] ?? this.lines) - (this.firsts[index] as number);
  }

  #add(size: number, lines: number, bytes: number, truncated: boolean): void {
    this.starts.push(this.end);
    this.firsts.push(this.lines);
    this.end += size;
    this.lines += lines;
    this.bytes += bytes;
    this.truncated ||= truncated;
  }

  async #look(): Promise<void> {
    const { size, ino, nlink } = await statFile(this.fd);
    this.inode = ino;
    this.nameless = nlink === 0;
    if (this.starts.length === 0 && (await this.#loadEnd(size))) return;
    await this.#scan(size);
  }

  async #loadEnd(size: number): Promise<boolean> {
    let from = Math.max(0, size - END_GUESS);
    let last = await readAt(this.fd, from, size - from);
    const length = endSize(last);
    if (length === undefined || length > size - HEAD_BYTES) return false;
    if (length > last.length) {
      from = size - length;
      last = await readAt(this.fd, from, length);
    }
    const end = decodeEnd(last, last.length - length);
    if (!end) return false;
    const frames = end.frames.reduce((sum, frame) => sum + frame.size, HEAD_BYTES);
    if (frames !== size - length) return false;
    for (const frame of end.frames) this.#add(frame.size, frame.lines, 0, false);
    this.#finish(end);
    return true;
  }

  #finish(end: SegmentEnd): void {
    this.bytes = end.bytes;
    this.truncated = end.truncated;
    this.packed = end.packed;
    this.finished = true;
    this.wake();
  }

  /** Follows the frames from where the index ends. What is not whole is not there yet. */
  async #scan(size: number): Promise<void> {
    if (this.end === HEAD_BYTES && size >= HEAD_BYTES) {
      this.fence = decodeHead(await readAt(this.fd, 0, HEAD_BYTES));
      if (this.fence === undefined) throw logFaults.logDamaged("The beginning of a file");
    }
    let block: Buffer = Buffer.alloc(0);
    let blockAt = this.end;
    let grown = false;
    while (this.end + HEADER_BYTES <= size) {
      if (this.end + HEADER_BYTES > blockAt + block.length) {
        blockAt = this.end;
        block = await readAt(this.fd, blockAt, Math.min(SCAN_BLOCK, size - blockAt));
      }
      const header = decodeHeader(block, this.end - blockAt);
      const frameSize = HEADER_BYTES + (header?.bodyBytes ?? 0);
      if (!header || this.end + frameSize > size) break;
      if (header.kind === END) {
        const end = decodeEnd(await readAt(this.fd, this.end, frameSize), 0);
        if (end && end.frames.length === this.starts.length) this.#finish(end);
        break;
      }
      this.#add(frameSize, header.lines, textBytes(header), (header.flags & TRUNCATED) !== 0);
      grown = true;
    }
    if (grown) this.wake();
  }
}
