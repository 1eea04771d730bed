import { FRAME_RUNS, FRAME_TEXT, RUN_BYTES, RUN_OPEN, type SealedFrame, sealFrame } from "./frame.ts";

const FIRST_TEXT = 512;
const FIRST_TABLE = 8 * RUN_BYTES;

/** Buffers of a full frame's text, used again and again: a fast log would else allocate its own length. */
export class TextPool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(FRAME_TEXT);
  }

  give(buffer: Buffer): void {
    if (buffer.length === FRAME_TEXT && this.#free.length < 8) this.#free.push(buffer);
  }
}

/** Collects runs of lines into one frame. A run is text of one channel and one time: whole lines, or one that was left open. */
export class FrameBuilder {
  readonly #pool: TextPool;
  #text: Buffer;
  #table = Buffer.allocUnsafe(FIRST_TABLE);
  #lastWord = 0;
  #lastTime = 0;
  /** True when the run at the end may grow. */
  #extends = false;
  textBytes = 0;
  runs = 0;
  lines = 0;
  truncated = false;

  constructor(pool: TextPool, expected = 0) {
    this.#pool = pool;
    this.#text = expected > FRAME_TEXT / 4 ? pool.take() : Buffer.allocUnsafe(FIRST_TEXT);
  }

  fits(bytes: number): boolean {
    return this.textBytes + bytes <= FRAME_TEXT && this.runs < FRAME_RUNS;
  }

  /** The caller has asked `fits`. */
  add(channel: number, time: number, source: Buffer, from: number, to: number, lines: number, open: boolean): void {
    const bytes = to - from;
    if (this.textBytes + bytes > this.#text.length) this.#grow(bytes);
    source.copy(this.#text, this.textBytes, from, to);
    this.textBytes += bytes;
    this.lines += lines;
    const at = (this.runs - 1) * RUN_BYTES;
    if (this.#extends && !open && lines > 0 && time === this.#lastTime && this.#lastWord >>> 24 === channel) {
      this.#lastWord += bytes;
      this.#table.writeUInt32LE(this.#lastWord, at);
      this.#table.writeUInt32LE(this.#table.readUInt32LE(at + 4) + lines, at + 4);
      return;
    }
    this.#lastWord = (channel << 24) | bytes | (open ? RUN_OPEN : 0);
    this.#lastTime = time;
    this.#extends = !open && lines > 0;
    const next = this.runs * RUN_BYTES;
    if (next + RUN_BYTES > this.#table.length) {
      const larger = Buffer.allocUnsafe(this.#table.length * 4);
      this.#table.copy(larger);
      this.#table = larger;
    }
    this.#table.writeUInt32LE(this.#lastWord, next);
    this.#table.writeUInt32LE(lines, next + 4);
    this.#table.writeDoubleLE(time, next + 8);
    this.runs += 1;
  }

  seal(): SealedFrame {
    const table = this.#table.subarray(0, this.runs * RUN_BYTES);
    return sealFrame(table, this.#text.subarray(0, this.textBytes), this.lines, this.truncated);
  }

  /** The frame is written: its text may be overwritten. */
  release(): void {
    this.#pool.give(this.#text);
  }

  #grow(bytes: number): void {
    const needed = this.textBytes + bytes;
    const larger =
      needed > FRAME_TEXT / 4 ? this.#pool.take() : Buffer.allocUnsafe(Math.max(needed, this.#text.length * 4));
    this.#text.copy(larger, 0, 0, this.textBytes);
    this.#text = larger;
  }
}
