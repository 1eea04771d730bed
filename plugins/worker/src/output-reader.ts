import { readSync } from "node:fs";
import { Socket } from "node:net";

/** As much as a pipe holds. */
const PIPE_BYTES = 64 * 1024;
/** Most outputs are short, and memory by the quarter megabyte makes the garbage collector busy. */
const FIRST_BYTES = 2 * 1024;
const SLAB_BYTES = 4 * PIPE_BYTES;
/** Milliseconds between two looks at a pipe that somebody keeps open although the command's processes have ended. */
const IDLE_CHECK = 100;

/** Memory for reads, cut off piece by piece; a piece belongs to whoever takes it. */
class Slab {
  #memory = Buffer.allocUnsafe(FIRST_BYTES);
  #offset = 0;
  #full = false;

  /** Room for one read. */
  room(): Buffer {
    // What is left of a slab is used as long as it is worth a read.
    if (this.#full || this.#memory.length - this.#offset < this.#memory.length / 16) {
      this.#memory = this.#full ? Buffer.allocUnsafeSlow(SLAB_BYTES) : Buffer.allocUnsafe(this.#memory.length);
      this.#offset = 0;
      this.#full = false;
    }
    return this.#memory.subarray(this.#offset, this.#offset + PIPE_BYTES);
  }

  /** What the read put into the room. */
  piece(size: number): Buffer {
    const piece = this.#memory.subarray(this.#offset, this.#offset + size);
    this.#offset += size;
    this.#full = this.#offset === this.#memory.length;
    return piece;
  }
}

/** For reads that are over before anybody else can begin one. */
const common = new Slab();

/** Gets each piece of output; a promise makes the reader wait, and with it the command. Must not throw or reject. */
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
    if (this.#socket || this.busy || this.ended) return;
    const slab = new Slab();
    const socket = new Socket({
      fd: this.#file,
      readable: true,
      writable: false,
      onread: { buffer: () => slab.room(), callback: (size) => this.#arrived(slab.piece(size)) },
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

  /** Reads what is left; whoever wrote to the pipe has ended. */
  finish(): void {
    if (this.ended) return;
    if (this.#socket) this.#watchIdle();
    else if (!this.busy) this.#readRest();
  }

  /** Lets go of the pipe; what it still holds is lost. */
  abandon(): void {
    if (this.#socket) this.#socket.destroy();
    else this.#end();
  }

  #arrived(piece: Buffer): boolean {
    this.#active = true;
    const taking = this.#take(piece);
    if (taking === undefined) return true;
    this.busy = true;
    void taking.then(() => {
      this.busy = false;
      this.#active = true;
      if (this.#socket?.destroyed) this.#end();
      else this.#socket?.resume();
    });
    return false;
  }

  #closed(): void {
    if (!this.busy) this.#end();
  }

  #readRest(): void {
    for (;;) {
      let size: number;
      try {
        size = readSync(this.#file, common.room());
      } catch (error) {
        // Empty, but somebody has it open: watch it for a while.
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return this.#end();
        this.attach();
        return this.#watchIdle();
      }
      if (size === 0) {
        this.clean = true;
        return this.#end();
      }
      const taking = this.#take(common.piece(size));
      if (taking !== undefined) {
        this.busy = true;
        void taking.then(() => {
          this.busy = false;
          // Abandoned meanwhile: the file's number may be another file's by now.
          if (!this.ended) this.#readRest();
        });
        return;
      }
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
    clearInterval(this.#idle);
    this.#done();
  }
}
