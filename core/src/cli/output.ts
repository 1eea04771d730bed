import { write } from "node:fs";
import { isatty } from "node:tty";
import { makePaint, type Paint, wantsColour } from "./paint.ts";

const HIGH = 256 * 1024;
const DROP_AT = 4 * 1024 * 1024;
const RETRY_MILLIS = 10;

/**
 * Standard output or standard error. What is written goes out in the background and in order, so
 * that a reader who does not read (a pager, a stopped terminal) never holds up the process.
 */
export class Output {
  readonly isTerminal: boolean;
  readonly paint: Paint;
  readonly #fd: number;
  readonly #onGone: () => void;
  #queue: Buffer[] = [];
  #pending = 0;
  #dropped = 0;
  #writing = false;
  #gone = false;
  #waiters: { below: number; resolve: () => void }[] = [];

  /** `onGone` is called when nobody can read any more, such as `head` after its lines. */
  constructor(fd: number, env: NodeJS.ProcessEnv, onGone: () => void = () => undefined) {
    this.#fd = fd;
    this.#onGone = onGone;
    this.isTerminal = isatty(fd);
    this.paint = makePaint(wantsColour(this.isTerminal, env));
  }

  /** Bytes that are not out yet. */
  get pending(): number {
    return this.#pending;
  }

  line(text: string): void {
    this.write(`${text}\n`);
  }

  /** Takes text. Where very much waits already, it is left out, and a line says so later. */
  write(text: string): void {
    if (this.#gone || text === "") return;
    if (this.#pending > DROP_AT) {
      this.#dropped += 1;
      return;
    }
    if (this.#dropped > 0) {
      const note = `… ${this.#dropped} lines are left out here, since nobody read them\n`;
      this.#dropped = 0;
      this.#push(note);
    }
    this.#push(text);
  }

  /** Resolves at once or when there is room again: await it where much is written. */
  async room(): Promise<void> {
    if (this.#pending > HIGH) await this.#below(HIGH);
  }

  /** Resolves when everything is out, or nobody reads any more. */
  async flush(): Promise<void> {
    if (this.#pending > 0) await this.#below(0);
  }

  #below(below: number): Promise<void> {
    return new Promise((resolve) => this.#waiters.push({ below, resolve }));
  }

  #push(text: string): void {
    const bytes = Buffer.from(text);
    this.#queue.push(bytes);
    this.#pending += bytes.length;
    if (!this.#writing) this.#next();
  }

  #next(): void {
    const bytes = this.#queue.length > 1 ? Buffer.concat(this.#queue) : this.#queue[0];
    this.#queue = [];
    this.#writing = bytes !== undefined;
    if (bytes) this.#write(bytes);
  }

  #write(bytes: Buffer): void {
    write(this.#fd, bytes, 0, bytes.length, null, (error, written) => {
      if (error?.code === "EAGAIN") {
        setTimeout(() => this.#write(bytes), RETRY_MILLIS);
        return;
      }
      if (error) return this.#end();
      this.#pending -= written;
      this.#wake();
      if (written < bytes.length) this.#write(bytes.subarray(written));
      else this.#next();
    });
  }

  #end(): void {
    this.#gone = true;
    this.#queue = [];
    this.#pending = 0;
    this.#wake();
    this.#onGone();
  }

  #wake(): void {
    const ready = this.#waiters.filter(({ below }) => this.#pending <= below);
    this.#waiters = this.#waiters.filter(({ below }) => this.#pending > below);
    for (const { resolve } of ready) resolve();
  }
}
