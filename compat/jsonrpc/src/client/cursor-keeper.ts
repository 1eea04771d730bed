import type { CursorStore } from "./cursors.ts";
import { abortable } from "./pause.ts";

const RETRY_PAUSE = 1_000;
const GRACE = 3_000;

/** Keeps the newest of many positions: one at a time is written, and whatever came meanwhile is one more. */
export class CursorKeeper {
  readonly #store: CursorStore;
  readonly #onError: (error: unknown) => void;
  #wanted: string;
  #kept: string;
  #writing: Promise<void> | undefined;
  #again: NodeJS.Timeout | undefined;

  constructor(store: CursorStore, kept: string, onError: (error: unknown) => void) {
    this.#store = store;
    this.#kept = kept;
    this.#wanted = kept;
    this.#onError = onError;
  }

  set(position: string): void {
    this.#wanted = position;
    if (this.#again === undefined) this.#writing ??= this.#write();
  }

  /** Resolves once the last position is kept, or could not be within the time of grace. */
  async close(): Promise<void> {
    await abortable(this.#finish(), AbortSignal.timeout(GRACE)).catch(this.#onError);
    clearTimeout(this.#again);
  }

  async #finish(): Promise<void> {
    clearTimeout(this.#again);
    await this.#writing;
    if (this.#wanted !== this.#kept) await this.#write();
  }

  async #write(): Promise<void> {
    try {
      while (this.#wanted !== this.#kept) {
        const position = this.#wanted;
        await this.#store.save(position);
        this.#kept = position;
      }
    } catch (error) {
      this.#onError(error);
      this.#again = setTimeout(() => {
        this.#again = undefined;
        this.set(this.#wanted);
      }, RETRY_PAUSE);
    } finally {
      this.#writing = undefined;
    }
  }
}
