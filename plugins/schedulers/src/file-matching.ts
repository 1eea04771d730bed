import { setImmediate as breathe } from "node:timers/promises";

/** How many files are matched before other work of the process has its turn. */
const FILES_AT_ONCE = 1_000;

/** Looks for files that fit, in any number of changes, without holding the process. */
export class FileMatching {
  #matched = 0;

  /** True if one of the files fits. A change that names no files may have touched any of them. */
  async touches(files: readonly string[], fits: (file: string) => boolean): Promise<boolean> {
    if (files.length === 0) return true;
    for (const file of files) {
      if (fits(file)) return true;
      this.#matched += 1;
      if (this.#matched % FILES_AT_ONCE === 0) await breathe();
    }
    return false;
  }
}
