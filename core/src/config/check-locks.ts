import { type Draft, type DraftLock, stepEntriesOf } from "./draft.ts";
import type { Report } from "./faults.ts";

interface Plain {
  lock: string;
  mode: string;
  count: number;
  at: string;
}

/** Checks the locks, and how builders, steps and workers use them as far as that is not computed. */
export function checkLocks(draft: Draft, report: Report): void {
  const locks = draft.locks ?? [];
  const find = (name: string) => locks.find((lock) => lock?.name === name);
  // One that is not right, and was reported, may be the one that is missed.
  const complete = locks.every((lock) => lock?.name !== undefined);
  const workers = (draft.workers ?? []).map((entry) => entry?.options?.["name"]);
  for (const [i, lock] of locks.entries()) {
    for (const name of Object.keys(lock?.maxCountForWorker ?? {})) {
      if (!workers.includes(undefined) && !workers.includes(name))
        report(`locks[${i}].maxCountForWorker.${name}`, `there is no worker named "${name}"`);
    }
  }

  const check = (use: unknown, path: string): Plain[] => {
    const plain = plainOf(use, path);
    for (const { lock: name, mode, count, at } of plain) {
      const lock = find(name);
      if (!lock) {
        if (complete) report(`${at}.lock`, `there is no lock named "${name}" in \`locks\``);
      } else if (mode === "counting" && count > mostOf(lock))
        report(`${at}.count`, `there is only ${mostOf(lock)} of the lock "${name}"`);
    }
    return plain;
  };
  for (const [i, entry] of (draft.workers ?? []).entries())
    check(entry?.options?.["locks"], `workers[${i}].options.locks`);
  for (const [i, builder] of (draft.builders ?? []).entries()) {
    const held = check(builder?.locks, `builders[${i}].locks`);
    for (const { path, entry } of stepEntriesOf(builder?.steps ?? [], `builders[${i}].steps`)) {
      for (const { lock, at } of check(entry.options?.["locks"], `${path}.options.locks`)) {
        if (held.some((other) => other.lock === lock))
          report(at, `the builder has the lock "${lock}" already; its steps cannot take it once more`);
      }
    }
  }
}

/** What is written as data; the rest is looked at when it was computed. */
function plainOf(use: unknown, path: string): Plain[] {
  if (!Array.isArray(use)) return [];
  return use.flatMap((access, i) => {
    const { lock, mode, count = 1 } = (access ?? {}) as { lock?: unknown; mode?: unknown; count?: unknown };
    if (typeof lock !== "string" || typeof mode !== "string") return [];
    return [{ lock, mode, count: typeof count === "number" ? count : 1, at: `${path}[${i}]` }];
  });
}

function mostOf({ maxCount = 1, maxCountForWorker = {} }: DraftLock): number {
  return Math.max(maxCount, ...Object.values(maxCountForWorker));
}
