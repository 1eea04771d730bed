import { constants, createZstdCompress, type ZstdCompress } from "node:zlib";

const OPTIONS = {
  // Whatever is written at once becomes one zstd frame.
  flush: constants.ZSTD_e_end,
  finishFlush: constants.ZSTD_e_end,
  chunkSize: 64 * 1024,
  params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_windowLog]: 18 },
};
/** After so many milliseconds without work the memory is let go. */
const IDLE = 2_000;

/**
 * Compresses in the thread pool, one piece after the other. It keeps its zstd context, which takes more than
 * a megabyte: with one for each piece the garbage collector would run all the time.
 */
export class Compressor {
  #stream: ZstdCompress | undefined;
  #output: Buffer[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #idle: NodeJS.Timeout | undefined;

  /** One zstd frame, in one or more buffers. `raw` is only lent, until it settles. */
  compress(raw: Buffer): Promise<Buffer[]> {
    clearTimeout(this.#idle);
    this.#waiting += 1;
    const work = this.#last.then(() => this.#compress(raw));
    this.#last = work
      .catch(() => this.#drop())
      .then(() => {
        this.#waiting -= 1;
        if (this.#waiting === 0) this.#idle = setTimeout(() => this.#drop(), IDLE).unref();
      });
    return work;
  }

  /** Lets go of the memory; what is under way is done first. */
  async close(): Promise<void> {
    await this.#last;
    if (this.#waiting > 0) return;
    clearTimeout(this.#idle);
    this.#drop();
  }

  #compress(raw: Buffer): Promise<Buffer[]> {
    const stream = this.#open();
    return new Promise((resolve, reject) => {
      stream.write(raw, (error) => {
        const output = this.#output;
        this.#output = [];
        if (error) reject(error);
        else resolve(output);
      });
    });
  }

  #open(): ZstdCompress {
    if (this.#stream) return this.#stream;
    const stream = createZstdCompress(OPTIONS);
    stream.on("data", (piece: Buffer) => this.#output.push(piece));
    // The write that failed tells.
    stream.on("error", () => {});
    this.#stream = stream;
    return stream;
  }

  #drop(): void {
    this.#stream?.close();
    this.#stream = undefined;
    this.#output = [];
  }
}
