import { type LogLine, MAX_LINE_BYTES } from "../interfaces/log-store.ts";
import { channelOf, type Frame, RUN_BYTES, RUN_LENGTH, RUN_OPEN } from "./frame.ts";
import { countLines } from "./line-count.ts";

const LF = 0x0a;

/** Walks over the lines of one frame. */
export class LineCursor {
  readonly #frame: Frame;
  #number: number;
  /** The run that the cursor is in, and where its text ends. */
  #run = -1;
  #runEnd = 0;
  #runLines = 0;
  #at = 0;
  /** Lines of the frame that are left. */
  left: number;

  constructor(frame: Frame, firstNumber: number) {
    this.#frame = frame;
    this.#number = firstNumber;
    this.left = frame.lines;
  }

  skip(count: number): void {
    let rest = Math.min(count, this.left);
    this.left -= rest;
    this.#number += rest;
    while (rest > 0) {
      if (this.#runLines === 0) this.#nextRun();
      if (rest >= this.#runLines) {
        rest -= this.#runLines;
        this.#runLines = 0;
        this.#at = this.#runEnd;
        continue;
      }
      this.#runLines -= rest;
      // Blocks first, then byte by byte to the very line feed.
      const { text } = this.#frame;
      while (rest > 64) {
        const stop = Math.min(this.#at + rest, this.#runEnd);
        rest -= countLines(text, this.#at, stop);
        this.#at = stop;
      }
      while (rest > 0) {
        this.#at = text.indexOf(LF, this.#at) + 1;
        rest -= 1;
      }
    }
  }

  /** Appends up to `count` lines; their data are views into the frame. */
  take(count: number, lines: LogLine[]): void {
    const { table, text } = this.#frame;
    let rest = Math.min(count, this.left);
    this.left -= rest;
    while (rest > 0) {
      if (this.#runLines === 0) this.#nextRun();
      const entry = this.#run * RUN_BYTES;
      const word = table.readUInt32LE(entry);
      const channel = channelOf(word);
      const time = table.readDoubleLE(entry + 8);
      const open = (word & RUN_OPEN) !== 0;
      const some = Math.min(rest, this.#runLines);
      for (let index = 0; index < some; index += 1) {
        const last = open && index === this.#runLines - 1;
        const end = last ? this.#runEnd : text.indexOf(LF, this.#at);
        const line: LogLine = { number: this.#number, channel, time, data: text.subarray(this.#at, end) };
        if (last && end - this.#at === MAX_LINE_BYTES) line.continues = true;
        lines.push(line);
        this.#number += 1;
        this.#at = last ? end : end + 1;
      }
      this.#runLines -= some;
      rest -= some;
    }
  }

  #nextRun(): void {
    const { table } = this.#frame;
    this.#at = this.#runEnd;
    this.#run += 1;
    this.#runEnd += table.readUInt32LE(this.#run * RUN_BYTES) & RUN_LENGTH;
    this.#runLines = table.readUInt32LE(this.#run * RUN_BYTES + 4);
  }
}

/** What has to come between a line that was left open and a line of another channel, to keep them apart in plain text. */
export const LINE_FEED = Buffer.from([LF]);

/**
 * The text of a frame as plain text, in as few pieces as can be. `open` is the channel of a line that
 * the frame before left open; returns that of this one.
 */
export function plainText(frame: Frame, open: number | undefined, pieces: Buffer[]): number | undefined {
  const { table, text } = frame;
  let last = open;
  let from = 0;
  let at = 0;
  for (let run = 0; run < frame.runs; run += 1) {
    const word = table.readUInt32LE(run * RUN_BYTES);
    const channel = (word >>> 24) & 3;
    if (last !== undefined && last !== channel) {
      if (at > from) pieces.push(text.subarray(from, at));
      pieces.push(LINE_FEED);
      from = at;
    }
    at += word & RUN_LENGTH;
    last = (word & RUN_OPEN) !== 0 ? channel : undefined;
  }
  if (at > from) pieces.push(text.subarray(from, at));
  return last;
}
