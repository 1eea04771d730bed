/** How long one request may work before everybody else gets a turn, in milliseconds. */
const SLICE = 4;

/** Gives others a turn now and then, between pieces of a long work. */
export class Turns {
  #end = performance.now() + SLICE;

  /** Resolves at once while there is time left in this slice, and otherwise at the beginning of another. */
  next(): Promise<void> | undefined {
    if (performance.now() < this.#end) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#end = performance.now() + SLICE;
        resolve();
      });
    });
  }
}
