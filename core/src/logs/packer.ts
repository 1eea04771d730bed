import { randomBytes } from "node:crypto";
import { rename, unlink } from "node:fs/promises";
import { closeFile, openFile, syncFile, writeAllAt } from "./file-calls.ts";
import {
  encodeEnd,
  encodeHead,
  FRAME_RUNS,
  FRAME_TEXT,
  type Frame,
  HEAD_BYTES,
  packFrame,
  RUN_BYTES,
  type SegmentEnd,
  sealFrame,
} from "./frame.ts";
import type { Segment } from "./segment.ts";

const WRITE_FROM = 256 * 1024;
const FULL = FRAME_TEXT + FRAME_RUNS * RUN_BYTES;

export interface PackJob {
  readonly segment: Segment;
  /** What the writer died at is left out: the segment ends before the first frame that is not sound. */
  readonly cutDamage: boolean;
  running: boolean;
  /** Set when the log is removed meanwhile. */
  aborted: boolean;
}

/**
 * Writes a segment anew, compressed, and puts it in the place of the old file, which those who have
 * it open go on reading. One chunk at a time: the thread pool has other work, too. Gives the
 * totals, or undefined if it was aborted.
 */
export async function packSegment(job: PackJob): Promise<SegmentEnd | undefined> {
  const { segment } = job;
  const temporary = `${segment.path},tmp-${randomBytes(6).toString("hex")}`;
  const fence = await segment.readFence();
  const fd = await openFile(temporary, "wx");
  try {
    const output = new PackedFile(fd, fence);
    await copy(job, output);
    const end = await output.finish(segment.truncated);
    await syncFile(fd);
    if (job.aborted) return undefined;
    await rename(temporary, segment.path);
    return end;
  } finally {
    await closeFile(fd);
    await unlink(temporary).catch(() => {});
  }
}

async function copy(job: PackJob, output: PackedFile): Promise<void> {
  const { segment, cutDamage } = job;
  const count = segment.starts.length;
  let index = 0;
  while (index < count && !job.aborted) {
    const group = await segment.read(index);
    for (const reading of group) reading.catch(() => {});
    for (const reading of group) {
      if (index === count) break;
      let frame: Frame;
      try {
        frame = await reading;
      } catch (error) {
        if (cutDamage) return;
        throw error;
      }
      await output.add(frame);
      index += 1;
    }
  }
}

class PackedFile {
  readonly #fd: number;
  #frames: Frame[] = [];
  #raw = 0;
  #parts: Buffer[];
  #partBytes = HEAD_BYTES;
  #position = 0;
  readonly #end: SegmentEnd = { lines: 0, bytes: 0, truncated: false, packed: true, frames: [] };

  constructor(fd: number, fence: number) {
    this.#fd = fd;
    this.#parts = [encodeHead(fence)];
  }

  async add(frame: Frame): Promise<void> {
    const raw = frame.table.length + frame.text.length;
    if (this.#raw > 0 && this.#raw + raw > FULL) await this.#pack();
    this.#frames.push(frame);
    this.#raw += raw;
  }

  async finish(truncated: boolean): Promise<SegmentEnd> {
    if (this.#frames.length > 0) await this.#pack();
    this.#end.truncated = truncated;
    this.#put(encodeEnd(this.#end));
    await this.#write();
    return this.#end;
  }

  async #pack(): Promise<void> {
    const tables = this.#frames.map((frame) => frame.table);
    const texts = this.#frames.map((frame) => frame.text);
    const lines = this.#frames.reduce((sum, frame) => sum + frame.lines, 0);
    const one = this.#frames.length === 1;
    const table = one ? (tables[0] as Buffer) : Buffer.concat(tables);
    const text = one ? (texts[0] as Buffer) : Buffer.concat(texts);
    this.#frames = [];
    this.#raw = 0;
    const frame = await packFrame(sealFrame(table, text, lines, false));
    this.#put(frame.header);
    for (const part of frame.body) this.#put(part);
    this.#end.frames.push({ size: frame.size, lines });
    this.#end.lines += lines;
    this.#end.bytes += text.length;
    if (this.#partBytes >= WRITE_FROM) await this.#write();
  }

  #put(part: Buffer): void {
    this.#parts.push(part);
    this.#partBytes += part.length;
  }

  async #write(): Promise<void> {
    const parts = this.#parts;
    const bytes = this.#partBytes;
    this.#parts = [];
    this.#partBytes = 0;
    await writeAllAt(this.#fd, parts, this.#position, bytes);
    this.#position += bytes;
  }
}
