import { BelfryError } from "../errors/belfry-error.ts";
import { codeOf, logFaults } from "./errors.ts";
import { statPath } from "./file-calls.ts";
import { Segment } from "./segment.ts";

/** Files of logs that were read lately, kept open; the longest unused are closed. */
export class SegmentCache {
  readonly #limit: number;
  readonly #segments = new Map<string, Segment>();
  readonly #opening = new Map<string, Promise<Segment | undefined>>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Held for the caller; undefined if there is no such file. */
  async get(path: string, ordinal: number): Promise<Segment | undefined> {
    const cached = this.#segments.get(path);
    if (cached) {
      cached.hold();
      try {
        const stats = await statPath(path);
        if (stats && stats.ino === cached.inode) {
          if (this.#segments.delete(path)) this.#put(path, cached);
          await cached.look();
          return cached.hold();
        }
        this.drop(path, cached);
        if (!stats) return undefined;
      } finally {
        cached.release();
      }
    }
    const running = this.#opening.get(path);
    if (running) {
      const segment = await running;
      // By now it may have been closed again.
      return segment && segment.fd !== -1 ? segment.hold() : this.#open(path, ordinal);
    }
    const opening = this.#open(path, ordinal);
    this.#opening.set(path, opening);
    try {
      const segment = await opening;
      if (segment) {
        this.drop(path);
        this.#put(path, segment.hold());
      }
      return segment;
    } finally {
      this.#opening.delete(path);
    }
  }

  drop(path: string, only?: Segment): void {
    const segment = this.#segments.get(path);
    if (!segment || (only && segment !== only)) return;
    this.#segments.delete(path);
    segment.release();
  }

  /** Everything whose path begins so. */
  dropBelow(prefix: string): void {
    for (const path of [...this.#segments.keys()]) if (path.startsWith(prefix)) this.drop(path);
  }

  clear(): void {
    this.dropBelow("");
  }

  async #open(path: string, ordinal: number): Promise<Segment | undefined> {
    try {
      return await Segment.open(path, ordinal);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw BelfryError.is(error) ? error : logFaults.logReadFailed(error);
    }
  }

  #put(path: string, segment: Segment): void {
    this.#segments.set(path, segment);
    for (const oldest of this.#segments.keys()) {
      if (this.#segments.size <= this.#limit) return;
      this.drop(oldest);
    }
  }
}

function isMissing(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes(codeOf(error));
}
