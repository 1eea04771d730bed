import type { Frame } from "./frame.ts";
import type { Segment } from "./segment.ts";

const OVERHEAD = 512;

/** Frames that were read lately, so that many readers of one place share the work. Bounded in bytes. */
export class FrameCache {
  readonly #limit: number;
  readonly #frames = new Map<string, { frame: Promise<Frame>; bytes: number }>();
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The caller holds the segment until this settles. */
  async get(segment: Segment, index: number): Promise<Frame> {
    const key = `${segment.id}.${index}`;
    const found = this.#frames.get(key);
    if (found) {
      this.#frames.delete(key);
      this.#frames.set(key, found);
      return found.frame;
    }
    const reading = segment.read(index);
    const frame = reading.then((frames) => frames[0] as Promise<Frame>);
    this.#put(key, frame);
    const frames = await reading.catch(() => []);
    for (const [offset, other] of frames.entries()) {
      other.catch(() => {});
      if (offset > 0) this.#put(`${segment.id}.${index + offset}`, other);
    }
    return frame;
  }

  clear(): void {
    this.#frames.clear();
    this.#bytes = 0;
  }

  #put(key: string, frame: Promise<Frame>): void {
    if (this.#frames.has(key)) return;
    const entry = { frame, bytes: OVERHEAD };
    this.#frames.set(key, entry);
    this.#bytes += OVERHEAD;
    frame.then(
      ({ table, text }) => {
        if (this.#frames.get(key) !== entry) return;
        entry.bytes += table.length + text.length;
        this.#bytes += table.length + text.length;
        this.#trim();
      },
      () => this.#drop(key, entry),
    );
    this.#trim();
  }

  #drop(key: string, entry: { bytes: number }): void {
    if (this.#frames.get(key) !== entry) return;
    this.#frames.delete(key);
    this.#bytes -= entry.bytes;
  }

  #trim(): void {
    for (const [key, entry] of this.#frames) {
      if (this.#bytes <= this.#limit) return;
      this.#drop(key, entry);
    }
  }
}
