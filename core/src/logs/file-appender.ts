import type { BelfryError } from "../errors/belfry-error.ts";
import type { LogAppender, LogChannel, LogTotals } from "../interfaces/log-store.ts";
import type { Compressor } from "./compressor.ts";
import { logFaults, writeFault } from "./errors.ts";
import { truncateFile, writeAllAt } from "./file-calls.ts";
import { encodeEnd, encodeHead, PACKED, packFrame, type SealedFrame, WORTH_PACKING } from "./frame.ts";
import { FrameBuilder, type TextPool } from "./frame-builder.ts";
import { LineGatherer } from "./line-gatherer.ts";
import { Queue } from "./queue.ts";
import type { Segment } from "./segment.ts";

const SLICE = 64 * 1024;
/** So many bytes may wait to be written; then the writer of the log waits. */
const QUEUE_LIMIT = 1024 * 1024;
const FRAMES_A_WRITE = 4;
/** So many calls that had to wait are worked off before others get a turn. */
const CALLS_A_TURN = 2_000;
const HEADER = 2;

/** What an appender asks of its store. */
export interface AppenderStore {
  readonly pool: TextPool;
  readonly compressor: Compressor;
  /** Milliseconds after which arrived lines are written. */
  readonly publishAfter: number;
  /** Makes the segment's file. Also gives the totals of the segments before it. */
  place(key: string, fence: number): Promise<{ segment: Segment; before: LogTotals }>;
  /** The appender lets go of its key. */
  left(appender: FileAppender): void;
  /** Its segment is finished and worth packing. Resolves when the next one may come. */
  pack(segment: Segment): Promise<void>;
  /** Its segment has no end on the disk and never will: readers shall not wait for more. */
  broken(segment: Segment): void;
}

interface Waiting {
  channel: LogChannel;
  /** Undefined: end the lines that were begun. */
  data: Buffer | undefined;
  at: number;
  time: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** Writes one segment. Small logs stay in memory until they are finished, and are then written in one go. */
export class FileAppender implements LogAppender {
  readonly key: string;
  readonly fence: number;
  readonly #cap: number;
  readonly #store: AppenderStore;
  readonly #gatherer: LineGatherer;
  #builder: FrameBuilder | undefined;
  #lastText = 0;
  #queue: { frame: SealedFrame; builder: FrameBuilder }[] = [];
  #queuedBytes = 0;
  readonly #waiting = new Queue<Waiting>();
  #segment: Segment | undefined;
  #placing: Promise<Segment> | undefined;
  #pumping: Promise<void> | undefined;
  #position = 0;
  /** Frames that were handed to the queue, and that are in the file. */
  #sealed = 0;
  #written = 0;
  #flushing: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #finishing: Promise<LogTotals> | undefined;
  #ending = false;
  #closed = false;
  #full = false;
  /** The key is another's now, and the segment let go. */
  #left = false;
  #failure: BelfryError | undefined;
  #told = false;
  #accepted = 0;
  #before: LogTotals = { lines: 0, bytes: 0, truncated: false };
  #lines = 0;
  #bytes = 0;

  constructor(store: AppenderStore, key: string, fence: number, cap: number) {
    this.#store = store;
    this.key = key;
    this.fence = fence;
    this.#cap = cap;
    this.#gatherer = new LineGatherer((channel, time, source, from, to, lines, open) => {
      if (this.#full) return;
      if (this.#builder?.fits(to - from) === false) this.#seal();
      this.#builder ??= new FrameBuilder(store.pool, this.#lastText);
      this.#builder.add(channel, time, source, from, to, lines, open);
      this.#lines += lines;
      this.#bytes += to - from;
    });
    this.#timer = setTimeout(this.#publish, store.publishAfter);
  }

  get totals(): LogTotals {
    const { lines, bytes, truncated } = this.#before;
    return { lines: lines + this.#lines, bytes: bytes + this.#bytes, truncated: truncated || this.#full };
  }

  append(channel: LogChannel, data: Uint8Array, time: number): Promise<void> | undefined {
    if (this.#closed) return this.#tell();
    if (this.#full || data.length === 0) return undefined;
    const bytes = Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    let at = 0;
    if (this.#waiting.size === 0) {
      at = this.#consume(channel, bytes, 0, time);
      if (at === bytes.length && this.#queuedBytes < QUEUE_LIMIT) return undefined;
    }
    return this.#wait(channel, bytes, at, time);
  }

  flush(): Promise<void> {
    if (this.#finishing) return this.#finishing.then(() => {});
    if (this.#closed) return this.#tell() ?? Promise.resolve();
    return handled(
      this.#flush().catch((error: unknown) => {
        this.#told = true;
        throw error;
      }),
    );
  }

  finish(): Promise<LogTotals> {
    this.#finishing ??= handled(this.#finish());
    return this.#finishing;
  }

  /** The segment, its file opened. */
  placed(): Promise<Segment> {
    this.#placing ??= handled(this.#place());
    return this.#placing;
  }

  /** Ends the writing here and leaves the segment without an end, for another to seal. Later calls get `reason`, if any. */
  async suspend(reason?: BelfryError): Promise<void> {
    if (this.#finishing) return void (await this.#finishing.catch(() => {}));
    if (this.#closed) return;
    this.#closed = true;
    await this.#flush().catch(() => {});
    await this.#pumping;
    this.#failure ??= reason;
    this.#leave();
  }

  /** Forgets what is not written: the log is being removed. Resolves when no write is under way. */
  async abandon(): Promise<void> {
    this.#told = true;
    this.#leave();
    this.#queue = [];
    await this.#placing?.catch(() => {});
    await this.#pumping;
    await this.#finishing?.catch(() => {});
  }

  #wait(channel: LogChannel, data: Buffer | undefined, at: number, time: number): Promise<void> {
    return handled(
      new Promise<void>((resolve, reject) => {
        this.#waiting.push({ channel, data, at, time, resolve, reject });
      }),
    );
  }

  /** Takes as much as may wait to be written; returns how far it came. */
  #consume(channel: LogChannel, data: Buffer, from: number, time: number): number {
    let at = from;
    while (at < data.length && this.#queuedBytes < QUEUE_LIMIT) {
      if (this.#full) return data.length;
      const room = this.#cap - this.#before.bytes - this.#accepted;
      const count = Math.max(0, Math.min(SLICE, data.length - at, room));
      if (count > 0) this.#gatherer.take(channel, count === data.length ? data : data.subarray(at, at + count), time);
      this.#accepted += count;
      at += count;
      if (at < data.length && count >= room) this.#overflow(time);
    }
    if (this.#builder) this.#timer ??= setTimeout(this.#publish, this.#store.publishAfter);
    return at;
  }

  #overflow(time: number): void {
    this.#gatherer.cut(true);
    const kept = this.#before.bytes + this.#accepted;
    const line = Buffer.from(`log is full: ${kept} bytes kept, the rest was thrown away\n`);
    if (this.#builder?.fits(line.length) === false) this.#seal();
    this.#builder ??= new FrameBuilder(this.#store.pool);
    this.#builder.add(HEADER, time, line, 0, line.length, 1, false);
    this.#builder.truncated = true;
    this.#lines += 1;
    this.#bytes += line.length;
    this.#full = true;
  }

  /** In the order of the calls, as far as there is room. */
  #drain(): void {
    for (let count = 0; this.#queuedBytes < QUEUE_LIMIT; count += 1) {
      const next = this.#waiting.first;
      if (!next) return;
      if (count === CALLS_A_TURN) return void setImmediate(() => this.#drain());
      if (next.data === undefined) this.#gatherer.cut();
      else {
        next.at = this.#full ? next.data.length : this.#consume(next.channel, next.data, next.at, next.time);
        if (next.at < next.data.length) return;
      }
      this.#waiting.drop();
      next.resolve();
    }
  }

  #publish = (): void => {
    this.#timer = undefined;
    if (this.#builder) this.#seal();
    else if (this.#position === 0) void this.#kick();
  };

  #seal(): void {
    const builder = this.#builder;
    if (!builder) return;
    this.#builder = undefined;
    this.#lastText = builder.textBytes;
    const frame = builder.seal();
    this.#queue.push({ frame, builder });
    this.#queuedBytes += frame.size;
    this.#sealed += 1;
    void this.#kick();
  }

  /** Resolves when everything that waits is written, or cannot be. Never rejects. */
  #kick(): Promise<void> {
    this.#pumping ??= this.#pump();
    return this.#pumping;
  }

  async #pump(): Promise<void> {
    let segment: Segment | undefined;
    try {
      const placed = await this.placed();
      if (!this.#left) segment = placed.hold();
      while (segment && !this.#left) {
        const batch = this.#queue.splice(0, FRAMES_A_WRITE);
        const ends = this.#ending && this.#queue.length === 0;
        if (batch.length === 0 && this.#position > 0 && !ends) break;
        await this.#write(segment, batch, ends);
        if (ends) break;
        this.#drain();
      }
    } catch (error) {
      await this.#fail(error);
    } finally {
      segment?.release();
      this.#pumping = undefined;
    }
  }

  async #write(segment: Segment, batch: { frame: SealedFrame; builder: FrameBuilder }[], ends: boolean): Promise<void> {
    const frames = batch.map(({ frame }) => frame);
    const parts = frames.flatMap((frame) => [frame.header, ...frame.body]);
    if (this.#position === 0) parts.unshift(encodeHead(this.fence));
    const packed = frames.length === 1 && this.#position === 0 && frames[0]?.header.readUInt32LE(0) === PACKED;
    if (ends) parts.push(encodeEnd(segment.endRecord(packed, frames)));
    const total = parts.reduce((sum, part) => sum + part.length, 0);
    await writeAllAt(segment.fd, parts, this.#position, total);
    this.#position += total;
    segment.packed = packed;
    segment.finished ||= ends;
    segment.grow(frames);
    for (const { frame, builder } of batch) {
      builder.release();
      this.#queuedBytes -= frame.size;
      this.#written += 1;
    }
    this.#progress();
  }

  async #place(): Promise<Segment> {
    const { segment, before } = await this.#store.place(this.key, this.fence);
    if (this.#left) {
      segment.finished = true;
      segment.release();
      throw logFaults.logFenced(this.key);
    }
    this.#segment = segment;
    this.#before = before;
    if (before.truncated) {
      // The line that says so has to stay the last one.
      this.#full = true;
      this.#builder = undefined;
      this.#queue = [];
      this.#queuedBytes = 0;
      this.#sealed = 0;
      this.#lines = 0;
      this.#bytes = 0;
    }
    return segment;
  }

  async #flush(): Promise<void> {
    if (this.#waiting.size === 0) this.#gatherer.cut();
    else await this.#wait("header", undefined, 0, 0);
    this.#seal();
    const target = this.#sealed;
    void this.#kick();
    // Not until nothing waits any more: a fast writer may never pause.
    while (!this.#left && (this.#position === 0 || this.#written < Math.min(target, this.#sealed))) {
      await new Promise<void>((resolve) => this.#flushing.push(resolve));
    }
    const failed = this.#tell();
    if (failed) await failed;
  }

  #progress(): void {
    const flushing = this.#flushing;
    this.#flushing = [];
    for (const resolve of flushing) resolve();
  }

  async #finish(): Promise<LogTotals> {
    if (!this.#closed) {
      this.#closed = true;
      if (this.#waiting.size > 0) await this.#wait("header", undefined, 0, 0).catch(() => {});
      else this.#gatherer.cut();
      this.#stopTimer();
      if (this.#placing === undefined && this.#builder) await this.#packSmall(this.#builder);
      else this.#seal();
      this.#ending = true;
      await this.#kick();
      if (!this.#left) await this.#close();
    }
    const failed = this.#tell();
    if (failed) await failed;
    return this.totals;
  }

  /** All of the log is in memory still. */
  async #packSmall(builder: FrameBuilder): Promise<void> {
    this.#builder = undefined;
    let frame = builder.seal();
    if (frame.size >= WORTH_PACKING) {
      const { lines, truncated, body } = frame;
      frame = await packFrame(
        { raw: Buffer.concat(body), runs: builder.runs, lines, truncated },
        this.#store.compressor,
      );
    }
    this.#queue.push({ frame, builder });
    this.#queuedBytes += frame.size;
  }

  async #close(): Promise<void> {
    const segment = this.#segment;
    let packing: Promise<void> | undefined;
    if (segment && !segment.packed && segment.end >= WORTH_PACKING) packing = this.#store.pack(segment);
    this.#leave();
    await packing;
  }

  /** The log ends with what was written whole. */
  async #fail(error: unknown): Promise<void> {
    if (this.#failure || this.#left) return;
    this.#failure = writeFault(this.key, error);
    this.#closed = true;
    const segment = this.#segment;
    if (segment) {
      this.#lines = segment.lines;
      this.#bytes = segment.bytes;
      segment.truncated = true;
      segment.finished = true;
      if (!(await this.#endBroken(segment))) this.#store.broken(segment);
    } else {
      this.#lines = 0;
      this.#bytes = 0;
    }
    this.#full = true;
    const told = this.#leave();
    this.#told ||= told;
  }

  /** Cuts the torn tail off; what that frees is often enough for the end. */
  async #endBroken(segment: Segment): Promise<boolean> {
    if (this.#position === 0) return false;
    const end = encodeEnd(segment.endRecord(false));
    try {
      await truncateFile(segment.fd, segment.end);
      await writeAllAt(segment.fd, [end], segment.end, end.length);
      return true;
    } catch {
      await truncateFile(segment.fd, segment.end).catch(() => {});
      return false;
    }
  }

  /** Returns true if somebody waited and was told. */
  #leave(): boolean {
    this.#closed = true;
    if (this.#left) return false;
    this.#left = true;
    this.#progress();
    this.#stopTimer();
    const waiting = this.#waiting.takeAll();
    for (const one of waiting) {
      if (this.#failure) one.reject(this.#failure);
      else one.resolve();
    }
    this.#builder = undefined;
    this.#store.left(this);
    const segment = this.#segment;
    if (segment) {
      segment.finished = true;
      segment.wake();
      segment.release();
    }
    return waiting.some((one) => one.data !== undefined);
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The failure, told once; then calls are ignored. */
  #tell(): Promise<void> | undefined {
    if (!this.#failure || this.#told) return undefined;
    this.#told = true;
    return handled(Promise.reject(this.#failure));
  }
}

/** Whether its promise is awaited is the caller's choice. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
