const SLICE = 5;

/** Gives everybody else a turn now and then, within work that does nothing but compute. */
export class Turns {
  #sliceEnd = performance.now() + SLICE;

  /** Whether it is time to `await` {@link give}. */
  get due(): boolean {
    return performance.now() >= this.#sliceEnd;
  }

  async give(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#sliceEnd = performance.now() + SLICE;
  }
}
