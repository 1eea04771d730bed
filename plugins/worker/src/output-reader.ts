import { readSync } from "node:fs";
import { Socket } from "node:net";
import { giveLarge, LARGE_BYTES, SMALL_BYTES, takeLarge } from "./read-memory.ts";

/** Milliseconds between two looks at a pipe that somebody keeps open although the command's processes have ended. */
const IDLE_CHECK = 100;

/**
 * Gets each piece of output, which is only lent: it is written over afterwards. A promise makes the reader wait,
 * and with it the command. Must not throw or reject.
 */
export type Take = (data: Uint8Array) => Promise<void> | undefined;

/**
 * Reads one output of a command from its pipe, to the end, no faster than it is taken.
 *
 * A short command is over before it would pay to watch its pipe: it is read once, at the end.
 * `attach` begins to watch; not before the command has its end of the pipe, since a pipe without
 * writers looks like one that has ended.
 */
export class OutputReader {
  /** True while a piece is being taken. */
  busy = false;
  /** True once everything was read and taken. */
  ended = false;
  /** True if every writer has closed the pipe, so that it can be used again. */
  clean = false;
  readonly #file: number;
  readonly #take: Take;
  readonly #done: () => void;
  #socket: Socket | undefined;
  #idle: NodeJS.Timeout | undefined;
  #active = false;
  /** True once whoever writes to the pipe has ended. */
  #finishing = false;
  #held = false;
  /** While a piece is being taken. */
  #taking: Promise<void> | undefined;
  /** What came after it was held. */
  readonly #late: Uint8Array[] = [];
  /** What the socket reads into: large as long as much comes. */
  #memory: Buffer | undefined;
  #small: Buffer | undefined;

  /** `done` is called once, when `ended` has become true. */
  constructor(file: number, take: Take, done: () => void) {
    this.#file = file;
    this.#take = take;
    this.#done = done;
  }

  /** True once the pipe's file belongs to a socket, which closes it. */
  get attached(): boolean {
    return this.#socket !== undefined;
  }

  /** Watches the pipe from now on. */
  attach(): void {
    if (this.#socket || this.busy || this.ended || this.#held) return;
    const socket = new Socket({
      fd: this.#file,
      readable: true,
      writable: false,
      onread: { buffer: () => this.#room(), callback: (size, memory) => this.#arrived(size, memory) },
    });
    this.#socket = socket;
    socket.once("end", () => {
      this.clean = true;
    });
    // An error of reading is the end of what can be read.
    socket.on("error", () => {});
    socket.once("close", () => this.#closed());
    socket.resume();
  }

  /** Reads what is left; whoever wrote to the pipe has ended. `first` as for `resume`. */
  finish(first?: Uint8Array): void {
    this.#finishing = true;
    if (this.ended || this.#held) return;
    if (first !== undefined) return this.resume(first);
    if (this.#socket) this.#watchIdle();
    else if (!this.busy) this.#readRest();
  }

  /**
   * Begins where another reader of the same pipe was held: gives `first`, which that one had read, then what is in
   * the pipe, and watches it from then on.
   */
  resume(first: Uint8Array): void {
    if (first.length === 0) return this.#look();
    const taking = this.#take(first);
    if (taking === undefined) this.#look();
    else this.#wait(taking, () => this.#look());
  }

  /** Gives nothing any more. Resolves when no piece is being taken, with what was read and not given. */
  async hold(): Promise<Uint8Array> {
    this.#held = true;
    clearInterval(this.#idle);
    this.#socket?.pause();
    await this.#taking;
    // A socket that was about to begin does so a moment later.
    await new Promise((resolve) => setImmediate(resolve));
    this.#socket?.pause();
    return Buffer.concat(this.#late);
  }

  /** Lets go of the pipe; what it still holds is lost. */
  abandon(): void {
    if (this.#socket) this.#socket.destroy();
    else this.#end();
  }

  /** Asked for before the first read, and after each. While a piece is lent nothing is read. */
  #room(): Buffer {
    this.#memory ??= this.#small ??= Buffer.allocUnsafe(SMALL_BYTES);
    return this.#memory;
  }

  #giveBack(): void {
    if (this.#memory?.length === LARGE_BYTES) giveLarge(this.#memory);
    this.#memory = undefined;
  }

  #arrived(size: number, memory: Uint8Array): boolean {
    if (this.#held) {
      this.#late.push(Buffer.from(memory.subarray(0, size)));
      return false;
    }
    this.#active = true;
    const taking = this.#take(memory.subarray(0, size));
    // The next read may be large even if this piece is lent still: that is in the small memory, then.
    if (size === SMALL_BYTES && this.#memory === this.#small) this.#memory = takeLarge();
    if (taking === undefined) {
      if (size < SMALL_BYTES) this.#giveBack();
      return true;
    }
    this.#wait(taking, () => {
      this.#active = true;
      if (this.#socket?.destroyed) this.#end();
      else if (!this.#held) this.#socket?.resume();
    });
    return false;
  }

  #wait(taking: Promise<void>, then: () => void): void {
    this.busy = true;
    this.#taking = taking.then(() => {
      this.busy = false;
      then();
    });
  }

  /** Reads once what is there already, so that nobody has to wait to know whether something is. */
  #look(): void {
    if (this.ended || this.#held) return;
    if (this.#finishing) return this.#readRest();
    const memory = takeLarge();
    let size = -1;
    try {
      size = readSync(this.#file, memory);
    } catch {
      // Empty. Other errors come again when it is watched.
    }
    const taking = size > 0 ? this.#take(memory.subarray(0, size)) : undefined;
    const next = () => {
      giveLarge(memory);
      if (this.#finishing) this.finish();
      else this.attach();
    };
    if (taking !== undefined) return this.#wait(taking, next);
    if (size !== 0) return next();
    giveLarge(memory);
    this.clean = true;
    this.#end();
  }

  #closed(): void {
    if (!this.busy) this.#end();
  }

  #readRest(): void {
    const memory = takeLarge();
    for (;;) {
      let size = 0;
      let code: string | undefined;
      try {
        size = readSync(this.#file, memory);
      } catch (error) {
        code = (error as NodeJS.ErrnoException).code;
      }
      if (size === 0) {
        giveLarge(memory);
        if (code === "EAGAIN") {
          // Empty, but somebody has it open: watch it for a while.
          this.attach();
          return this.#watchIdle();
        }
        this.clean = code === undefined;
        return this.#end();
      }
      const taking = this.#take(memory.subarray(0, size));
      if (taking !== undefined) {
        return this.#wait(taking, () => {
          giveLarge(memory);
          // Abandoned meanwhile: the file's number may be another file's by now.
          if (!this.ended && !this.#held) this.#readRest();
        });
      }
      if (this.ended) return giveLarge(memory);
    }
  }

  /** Gives the pipe up when nothing came between two looks: only a stranger has it open now. */
  #watchIdle(): void {
    if (this.#idle || this.ended) return;
    this.#active = true;
    this.#idle = setInterval(() => {
      if (this.#active || this.busy) this.#active = this.busy;
      else this.#socket?.destroy();
    }, IDLE_CHECK);
  }

  #end(): void {
    if (this.ended) return;
    this.ended = true;
    this.#giveBack();
    clearInterval(this.#idle);
    this.#done();
  }
}
