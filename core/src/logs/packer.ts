import { randomBytes } from "node:crypto";
import { rename, unlink } from "node:fs/promises";
import type { Compressor } from "./compressor.ts";
import { closeFile, openFile, syncFile, writeAllAt } from "./file-calls.ts";
import {
  encodeEnd,
  encodeHead,
  FRAME_RUNS,
  FRAME_TEXT,
  type Frame,
  type FrameContent,
  HEAD_BYTES,
  HEADER_BYTES,
  packFrame,
  RUN_BYTES,
  type SegmentEnd,
} from "./frame.ts";
import type { Segment } from "./segment.ts";

const WRITE_FROM = 256 * 1024;
const FULL = FRAME_TEXT + FRAME_RUNS * RUN_BYTES;
/** Larger frames stay by themselves; smaller ones are put together, which costs a copy. */
const LARGE = FULL / 2;

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
export async function packSegment(job: PackJob, compressor: Compressor): Promise<SegmentEnd | undefined> {
  const { segment } = job;
  const temporary = `${segment.path},tmp-${randomBytes(6).toString("hex")}`;
  const fence = await segment.readFence();
  const fd = await openFile(temporary, "wx");
  try {
    const output = new PackedFile(fd, fence, compressor);
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
  // Read into again and again: nothing of it is left when the output has taken it.
  let memory: Buffer = Buffer.allocUnsafe(Math.min(segment.end, HEADER_BYTES + FULL));
  const room = (bytes: number) => {
    if (bytes > memory.length) memory = Buffer.allocUnsafe(bytes);
    return memory;
  };
  let index = 0;
  while (index < count && !job.aborted) {
    const group = await segment.read(index, room);
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
  readonly #compressor: Compressor;
  readonly #gathered = new SmallFrames();
  #parts: Buffer[];
  #partBytes = HEAD_BYTES;
  #position = 0;
  readonly #end: SegmentEnd = { lines: 0, bytes: 0, truncated: false, packed: true, frames: [] };

  constructor(fd: number, fence: number, compressor: Compressor) {
    this.#fd = fd;
    this.#compressor = compressor;
    this.#parts = [encodeHead(fence)];
  }

  /** The frame is only lent. */
  async add(frame: Frame): Promise<void> {
    const { raw, runs, lines } = frame;
    const small = raw.length <= LARGE;
    if (!small || !this.#gathered.fits(raw.length)) await this.#packGathered();
    if (small) this.#gathered.add(frame);
    else await this.#pack({ raw, runs, lines, truncated: false });
  }

  async finish(truncated: boolean): Promise<SegmentEnd> {
    await this.#packGathered();
    this.#end.truncated = truncated;
    this.#put(encodeEnd(this.#end));
    await this.#write();
    return this.#end;
  }

  async #packGathered(): Promise<void> {
    const content = this.#gathered.take();
    if (content) await this.#pack(content);
  }

  async #pack(content: FrameContent): Promise<void> {
    const frame = await packFrame(content, this.#compressor);
    this.#put(frame.header);
    for (const part of frame.body) this.#put(part);
    this.#end.frames.push({ size: frame.size, lines: frame.lines });
    this.#end.lines += frame.lines;
    this.#end.bytes += frame.bytes;
    // What would not become smaller is written now, from the memory that was lent.
    if (frame.body[0] === content.raw || this.#partBytes >= WRITE_FROM) await this.#write();
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

/** Makes one frame of many, in memory that is used again. */
class SmallFrames {
  #tables: Buffer = Buffer.alloc(0);
  #text: Buffer = Buffer.alloc(0);
  #tableBytes = 0;
  #textBytes = 0;
  #lines = 0;

  /** True if no frame is here, too. */
  fits(raw: number): boolean {
    const bytes = this.#tableBytes + this.#textBytes;
    return bytes === 0 || bytes + raw <= FULL;
  }

  add({ table, text, lines }: Frame): void {
    this.#tables = larger(this.#tables, this.#tableBytes, table.length);
    // With room for the tables, which are put in front.
    this.#text = larger(this.#text, this.#textBytes, text.length + this.#tableBytes + table.length);
    table.copy(this.#tables, this.#tableBytes);
    text.copy(this.#text, this.#textBytes);
    this.#tableBytes += table.length;
    this.#textBytes += text.length;
    this.#lines += lines;
  }

  /** Undefined if there is nothing. The content is lent until the next `add`. */
  take(): FrameContent | undefined {
    const bytes = this.#tableBytes + this.#textBytes;
    if (bytes === 0) return undefined;
    this.#text.copyWithin(this.#tableBytes, 0, this.#textBytes);
    this.#tables.copy(this.#text, 0, 0, this.#tableBytes);
    const raw = this.#text.subarray(0, bytes);
    const content = { raw, runs: this.#tableBytes / RUN_BYTES, lines: this.#lines, truncated: false };
    this.#tableBytes = 0;
    this.#textBytes = 0;
    this.#lines = 0;
    return content;
  }
}

/** The memory itself if there is room for `more` bytes behind the first `used`, or a larger copy. */
function larger(memory: Buffer, used: number, more: number): Buffer {
  if (used + more <= memory.length) return memory;
  const copy = Buffer.allocUnsafe(Math.max(used + more, Math.min(FULL, memory.length * 4)));
  memory.copy(copy, 0, 0, used);
  return copy;
}
