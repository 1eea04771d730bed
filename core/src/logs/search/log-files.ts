import { BelfryError } from "../../errors/belfry-error.ts";
import { codeOf, logFaults } from "../errors.ts";
import type { Frame } from "../frame.ts";
import { placeOf, segmentPath } from "../log-path.ts";
import { Segment } from "../segment.ts";

/** Where the file log store has a log. */
export interface FilesPlace {
  folder: string;
  key: string;
}

/** The files of one log as they are now, read without the store: what a process beside it would see. */
export class LogFiles implements Disposable {
  readonly #segments: Segment[];

  private constructor(segments: Segment[]) {
    this.#segments = segments;
  }

  static async open({ folder, key }: FilesPlace): Promise<LogFiles> {
    const place = placeOf(folder, key);
    const files = new LogFiles([]);
    try {
      for (let ordinal = 0; ; ordinal += 1)
        files.#segments.push(await Segment.open(segmentPath(place, ordinal), ordinal));
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(codeOf(error)) && files.#segments.length > 0) return files;
      files[Symbol.dispose]();
      if (BelfryError.is(error)) throw error;
      throw codeOf(error) === "ENOENT" ? logFaults.logNotFound(key) : logFaults.logReadFailed(error);
    }
  }

  get lines(): number {
    return this.#segments.reduce((sum, { lines }) => sum + lines, 0);
  }

  /** All chunks of lines: from the one that holds the line `first` to the end, then those before it. */
  async *frames(first: number): AsyncGenerator<{ frame: Frame; number: number }> {
    yield* this.#part(first, Number.POSITIVE_INFINITY);
    yield* this.#part(0, first);
  }

  /** The chunks that begin before the line `to`, from the one on that holds the line `from`. */
  async *#part(from: number, to: number): AsyncGenerator<{ frame: Frame; number: number }> {
    let base = 0;
    for (const segment of this.#segments) {
      const indexOf = (line: number) => (line <= base ? 0 : segment.frameOf(line - base));
      const begin = from >= base + segment.lines ? segment.starts.length : indexOf(from);
      const end = to >= base + segment.lines ? segment.starts.length : indexOf(to);
      for await (const { frame, index } of framesOf(segment, begin, end))
        yield { frame, number: base + (segment.firsts[index] as number) };
      base += segment.lines;
    }
  }

  [Symbol.dispose](): void {
    for (const segment of this.#segments.splice(0)) segment.release();
  }
}

/** Reads ahead, so that what is read and unpacked in the thread pool is there when it is wanted. */
async function* framesOf(segment: Segment, from: number, to: number): AsyncGenerator<{ frame: Frame; index: number }> {
  const read = (index: number) => {
    const group = segment.read(index);
    group.then(
      (frames) => frames.forEach(ignoreFailure),
      () => undefined,
    );
    return group;
  };
  let ahead = from < to ? read(from) : undefined;
  for (let index = from; ahead && index < to; ) {
    const group = await ahead;
    const next = index + group.length;
    ahead = next < to ? read(next) : undefined;
    for (const reading of group) {
      if (index === to) return;
      yield { frame: await reading, index };
      index += 1;
    }
  }
}

/** Whoever awaits it is told; nobody may. */
function ignoreFailure(promise: Promise<unknown>): void {
  promise.catch(() => undefined);
}
