import { appendFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { LockLimit } from "./committed-state.ts";

/** What a step holds while it runs. */
export interface Hold {
  lock: string;
  worker: string;
  mode: "counting" | "exclusive";
  count: number;
}

type Line =
  | { what: "begin" | "end"; by: string; build: number; request: number; at: number }
  | ({ what: "has" | "had"; by: string; build: number; at: number } & Hold)
  /** The process is gone, and with it all that it did. */
  | { what: "killed"; by: string }
  | { what: "suspended" | "continued"; by: string; at: number }
  | { what: "heard"; by: string; at: number; position: string };

/** A file to which every process adds lines: what was done when, seen outside of the database. */
export class Ledger {
  readonly #file: string;
  readonly #by: string;

  constructor(file: string, by: string) {
    this.#file = file;
    this.#by = by;
  }

  note(line: Record<string, unknown>): void {
    appendFileSync(this.#file, `${JSON.stringify({ by: this.#by, at: Date.now(), ...line })}\n`);
  }

  /** Notes that a step has these locks while `work` runs. */
  async holding<T>(build: number, holds: readonly Hold[], work: () => Promise<T>): Promise<T> {
    for (const hold of holds) this.note({ what: "has", build, ...hold });
    try {
      return await work();
    } finally {
      for (const hold of holds) this.note({ what: "had", build, ...hold });
    }
  }
}

export async function readLedger(file: string): Promise<Line[]> {
  const text = await readFile(file, "utf8").catch(() => "");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/**
 * What the ledger says that cannot be: a request built by two at once, a lock of which steps had more
 * than there is. Who was suspended for longer than its lease and goes on does not know that it has lost
 * everything: from the moment it was suspended, what it has counts no more, and it may begin nothing
 * with it. `given` are builds that were given up and ended as retry: what was done for them counts no more
 * as soon as somebody else does it.
 */
export function oddLines(
  lines: readonly Line[],
  limits: readonly LockLimit[],
  given: ReadonlySet<number> = new Set(),
): string[] {
  const odd: string[] = [];
  let building: { by: string; build: number; request: number }[] = [];
  let holds: (Hold & { by: string; build: number })[] = [];
  const gone = (by: string) => {
    building = building.filter((one) => one.by !== by);
    holds = holds.filter((one) => one.by !== by);
  };
  for (const line of lines) {
    if (line.what === "killed" || line.what === "suspended") gone(line.by);
    else if (line.what === "begin") {
      const { by, build, request } = line;
      const other = building.find((one) => one.request === request && !given.has(one.build));
      if (other)
        odd.push(`request ${request} was built by ${by} (${build}) while ${other.by} built it (${other.build})`);
      building.push({ by, build, request });
    } else if (line.what === "end") building = building.filter((one) => one.build !== line.build);
    else if (line.what === "has") {
      const { lock, worker, mode, count, by, build } = line;
      holds.push({ lock, worker, mode, count, by, build });
      const beside = holds.filter(
        (other) => other.lock === lock && other.worker === worker && (other.build === build || !given.has(other.build)),
      );
      const most = limits.find((limit) => limit.lock === lock && limit.worker === worker)?.most ?? 0;
      const taken = beside.reduce((sum, other) => sum + other.count, 0);
      if (taken > most || (beside.length > 1 && beside.some((other) => other.mode === "exclusive")))
        odd.push(`steps had ${taken} of the ${most} of the lock ${lock} of "${worker}": ${JSON.stringify(beside)}`);
    } else if (line.what === "had")
      holds = holds.filter(
        (one) => !(one.build === line.build && one.lock === line.lock && one.worker === line.worker),
      );
  }
  return odd;
}
