import { mkdir, readdir, rm, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { LogAppender, LogKey, LogReader, LogStore, LogTotals } from "../interfaces/log-store.ts";
import { Compressor } from "./compressor.ts";
import { codeOf, logFaults, writeFault } from "./errors.ts";
import { type AppenderStore, FileAppender } from "./file-appender.ts";
import { openFile } from "./file-calls.ts";
import { FileReader, type ReaderStore } from "./file-reader.ts";
import { TextPool } from "./frame-builder.ts";
import { FrameCache } from "./frame-cache.ts";
import { below, type LogPlace, partsOfName, placeOf, segmentPath } from "./log-path.ts";
import { type PackJob, packSegment } from "./packer.ts";
import { Segment } from "./segment.ts";
import { SegmentCache } from "./segment-cache.ts";

export interface FileLogStoreOptions {
  /** Where the logs are; made when the first is written. With several masters, a folder that they share. */
  folder: string;
  /** After so many milliseconds lines that arrived are readable, also for other processes. Default 50. */
  publishAfter?: number;
  /** Memory for parts of logs that were read lately, in bytes. Default 8 MiB. */
  cacheBytes?: number;
}

const OPEN_FILES = 64;
const PACKS_WAITING = 64;

/**
 * Logs in files: one file for each segment, compressed once it is finished.
 *
 * - Lines can be read `publishAfter` after they arrived. A line is there when its line feed has come: what is unfinished is
 *   shown to nobody, since it would change. `flush` and `finish` end it as it is. What comes on the channel after a
 *   `flush` is a line of its own; if it begins with the missing line feed, that makes no empty line.
 * - Lines stand in the order in which they were completed. Bytes count the text with its line feeds.
 * - Small logs are in memory until they are finished, at most for `publishAfter`. A process that is killed loses what was
 *   not readable yet, and nothing else. Files are synced to the disk only when a log is packed.
 * - `LogLine.data` is a view into a chunk that other readers may see: not to be written to, and to be copied by who keeps it.
 * - `raw` gives the bytes as they came; where a line without line feed is followed by one of another channel or segment,
 *   a line feed is put between.
 * - `seal` on a key that has no log gives totals of nothing: its writer may have died before the first byte was written.
 *   A sealed log is finished.
 * - `stop` waits for what is being packed and leaves logs that are not finished as if their writer had died, nothing lost.
 */
export function createFileLogStore(options: FileLogStoreOptions): LogStore {
  return new FileLogStore(options);
}

/** Where a store that was made here keeps its logs; undefined for any other store. */
export function folderOf(store: LogStore): string | undefined {
  return FileLogStore.folderOf(store);
}

class FileLogStore implements LogStore, AppenderStore, ReaderStore {
  readonly pool = new TextPool();
  readonly compressor = new Compressor();
  readonly publishAfter: number;
  readonly cache: FrameCache;
  readonly #folder: string;
  readonly #files = new SegmentCache(OPEN_FILES);
  readonly #live = new Map<LogKey, FileAppender>();
  readonly #jobs = new Map<PackJob, Promise<unknown>>();
  /** Segments that this process could not end on the disk. */
  readonly #broken = new Set<string>();
  /** Of each folder, the logs that go with the next look into it. */
  readonly #removals = new Map<string, { names: Set<string>; done: Promise<void> }>();
  #lastPack: Promise<unknown> = Promise.resolve();

  constructor({ folder, publishAfter = 50, cacheBytes = 8 * 1024 * 1024 }: FileLogStoreOptions) {
    this.#folder = folder;
    this.publishAfter = publishAfter;
    this.cache = new FrameCache(cacheBytes);
  }

  static folderOf(store: LogStore): string | undefined {
    return #folder in store ? store.#folder : undefined;
  }

  create(key: LogKey, { fence, capBytes }: { fence: number; capBytes: number }): LogAppender {
    placeOf(this.#folder, key);
    if (this.#live.has(key)) throw logFaults.logInUse(key);
    const appender = new FileAppender(this, key, fence, capBytes);
    this.#live.set(key, appender);
    return appender;
  }

  async open(key: LogKey): Promise<LogReader> {
    const segments = await this.segments(key, 0);
    if (segments.length === 0) throw logFaults.logNotFound(key);
    return new FileReader(this, key, segments);
  }

  async remove(key: LogKey): Promise<void> {
    if (key.endsWith("/")) return this.#removeBelow(key);
    const place = placeOf(this.#folder, key);
    await this.#live.get(key)?.abandon();
    // Who removes many at once has them looked for once in each folder.
    const waiting = this.#removals.get(place.folder);
    if (waiting) {
      waiting.names.add(place.name);
      return waiting.done;
    }
    const names = new Set([place.name]);
    const done = Promise.resolve().then(() => {
      this.#removals.delete(place.folder);
      return this.#removeFiles(place.folder, (parts) => names.has(parts.join(",")));
    });
    this.#removals.set(place.folder, { names, done });
    return done;
  }

  async seal(key: LogKey, { fence }: { fence: number }): Promise<LogTotals> {
    const place = placeOf(this.#folder, key);
    const live = this.#live.get(key);
    if (live && live.fence < fence) await live.suspend(logFaults.logFenced(key));
    const totals = { lines: 0, bytes: 0, truncated: false };
    for (let ordinal = 0; ; ordinal += 1) {
      const segment = await this.#files.get(segmentPath(place, ordinal), ordinal);
      if (!segment) return totals;
      try {
        const sealed = await this.#seal(key, segment, fence, false);
        totals.lines += sealed.lines;
        totals.bytes += sealed.bytes;
        totals.truncated ||= sealed.truncated;
      } finally {
        segment.release();
      }
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#live.values()].map((appender) => appender.suspend()));
    while (this.#jobs.size > 0) await Promise.allSettled(this.#jobs.values());
    await this.compressor.close();
    this.#files.clear();
    this.cache.clear();
  }

  async segments(key: string, from: number): Promise<Segment[]> {
    const place = placeOf(this.#folder, key);
    const live = await this.#live
      .get(key)
      ?.placed()
      .catch(() => undefined);
    // It may have been finished meanwhile; then its file is as good.
    const own = live && live.fd !== -1 ? live.hold() : undefined;
    const found: Segment[] = [];
    try {
      for (let ordinal = from; ordinal < (own?.ordinal ?? Number.POSITIVE_INFINITY); ordinal += 1) {
        const segment = await this.#files.get(segmentPath(place, ordinal), ordinal);
        if (!segment) break;
        if (this.#broken.has(segment.path)) {
          segment.finished = true;
          segment.truncated = true;
        }
        found.push(segment);
      }
    } catch (error) {
      for (const segment of found) segment.release();
      own?.release();
      throw error;
    }
    if (own && own.ordinal >= from) found.push(own);
    else own?.release();
    return found;
  }

  async place(key: string, fence: number): Promise<{ segment: Segment; before: LogTotals }> {
    const place = placeOf(this.#folder, key);
    let ordinal = 0;
    let before: LogTotals = { lines: 0, bytes: 0, truncated: false };
    for (let tries = 0; ; tries += 1) {
      const path = segmentPath(place, ordinal);
      try {
        const fd = await openFile(path, "wx+");
        const segment = new Segment(path, ordinal, true);
        segment.fd = fd;
        segment.fence = fence;
        return { segment, before };
      } catch (error) {
        const code = codeOf(error);
        if (tries < 5 && code === "ENOENT") await mkdir(place.folder, { recursive: true });
        else if (tries < 5 && code === "EEXIST") ({ ordinal, before } = await this.#after(key, place, fence));
        else throw error;
      }
    }
  }

  left(appender: FileAppender): void {
    if (this.#live.get(appender.key) === appender) this.#live.delete(appender.key);
  }

  async pack(segment: Segment): Promise<void> {
    const full = this.#jobs.size >= PACKS_WAITING;
    // A log that cannot be packed (the disk is full) stays readable as it is.
    const packing = this.#pack({ segment, cutDamage: false, running: false, aborted: false }).catch(() => {});
    if (full) await packing;
  }

  broken(segment: Segment): void {
    if (this.#broken.size >= 1000) this.#broken.clear();
    this.#broken.add(segment.path);
  }

  /** Packing is done one log after the other. */
  #pack(job: PackJob): Promise<LogTotals | undefined> {
    job.segment.hold();
    const work = this.#lastPack.then(() => {
      job.running = true;
      return job.aborted ? undefined : packSegment(job, this.compressor);
    });
    const done = work.finally(() => {
      job.segment.release();
      this.#jobs.delete(job);
    });
    this.#jobs.set(job, done);
    this.#lastPack = done.catch(() => {});
    return done;
  }

  /** Where a writer goes on: after the segments there are. Those that others left unfinished are sealed. */
  async #after(key: string, place: LogPlace, fence: number): Promise<{ ordinal: number; before: LogTotals }> {
    const before = { lines: 0, bytes: 0, truncated: false };
    for (let ordinal = 0; ; ordinal += 1) {
      const segment = await this.#files.get(segmentPath(place, ordinal), ordinal);
      if (!segment) return { ordinal, before };
      try {
        if ((await segment.readFence()) > fence) throw logFaults.logFenced(key);
        const sealed = await this.#seal(key, segment, fence, true);
        before.lines += sealed.lines;
        before.bytes += sealed.bytes;
        before.truncated ||= sealed.truncated;
      } finally {
        segment.release();
      }
    }
  }

  async #seal(key: string, segment: Segment, fence: number, same: boolean): Promise<LogTotals> {
    if (segment.finished && !this.#broken.has(segment.path)) return segment.totals;
    const owner = await segment.readFence();
    if (owner > fence || (owner === fence && !same)) return segment.totals;
    try {
      const end = await this.#pack({ segment, cutDamage: true, running: false, aborted: false });
      this.#broken.delete(segment.path);
      return end ?? segment.totals;
    } catch (error) {
      throw writeFault(key, error);
    }
  }

  async #removeBelow(prefix: string): Promise<void> {
    const { folder, names } = below(this.#folder, prefix);
    const live = [...this.#live.values()].filter((appender) => appender.key.startsWith(prefix));
    await Promise.all(live.map((appender) => appender.abandon()));
    if (names.length > 0) {
      await this.#removeFiles(
        folder,
        (parts) => parts.length > names.length && names.every((name, index) => parts[index] === name),
      );
      return;
    }
    await this.#stopPacking((path) => path.startsWith(join(folder, "/")));
    this.#files.dropBelow(join(folder, "/"));
    await rm(folder, { recursive: true, force: true });
  }

  async #removeFiles(folder: string, fits: (parts: string[]) => boolean): Promise<void> {
    const names = await readdir(folder).catch((error: unknown) => {
      if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return [];
      throw logFaults.logReadFailed(error);
    });
    const doomed = names.filter((name) => {
      const parts = partsOfName(name);
      return parts !== undefined && fits(parts);
    });
    const paths = new Set(doomed.map((name) => join(folder, name)));
    await this.#stopPacking((path) => paths.has(path));
    for (const path of paths) {
      this.#files.drop(path);
      this.#broken.delete(path);
      await unlink(path).catch((error: unknown) => {
        if (codeOf(error) !== "ENOENT") throw logFaults.logWriteFailed(path, error);
      });
    }
    // Fails unless it is empty, as it should.
    if (doomed.length === names.length) await rmdir(folder).catch(() => {});
  }

  async #stopPacking(fits: (path: string) => boolean): Promise<void> {
    const stopped = [...this.#jobs].filter(([job]) => fits(job.segment.path));
    for (const [job] of stopped) job.aborted = true;
    await Promise.allSettled(stopped.map(([job, done]) => job.running && done));
  }
}
