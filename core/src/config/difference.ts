import type { Point } from "../interfaces/plugin.ts";
import { isPlugin } from "../plugins/define.ts";
import { type Generation, PART_LISTS, type Part } from "./generation.ts";
import { isData, printOf } from "./print.ts";

/** What a change means for what runs. */
export type Effect = "started" | "stopped" | "restarted" | "drained" | "next-builds" | "at-once" | "needs-restart";

export interface Difference {
  change: "added" | "removed" | "changed";
  /** Where it stands in a configuration, such as `builders`; `settings` for what is no entry. */
  list: string;
  name: string;
  /** What is different, such as `options.command`; at most 20. Empty for what was added or removed. */
  paths: string[];
  effect: Effect;
}

/** What a reload came to. */
export interface Reloaded {
  /** The generation that is in force. */
  generation: number;
  /** What is different from the one before. */
  items: Difference[];
  /** Workers that end, or are replaced, when their builds have ended. */
  draining: string[];
}

const MOST_PATHS = 20;
const CODE = "(the code it was loaded with)";

/** What is different between two generations, in the order of the configuration. */
export function difference(before: Generation, after: Generation): Difference[] {
  const codes = [before.code, after.code] as const;
  const found: Difference[] = [];
  for (const key of ["name", "database", "logStore"] as const) {
    const [old, now] = key === "name" ? [before.masterName, after.masterName] : [before[key]?.entry, after[key]?.entry];
    const paths = pathsOf(old, now, codes);
    if (paths.length > 0)
      found.push({ change: "changed", list: "settings", name: key, paths, effect: "needs-restart" });
  }
  for (const key of ["title", "access", "logs", "retention"] as const) {
    const paths = pathsOf(before.settings[key], after.settings[key], codes);
    if (paths.length > 0) found.push({ change: "changed", list: "settings", name: key, paths, effect: "at-once" });
  }
  for (const list of PART_LISTS)
    found.push(...partsOf(list, before[list] as Part<Point>[], after[list] as Part<Point>[], codes));
  for (const [name, lock] of after.locks) {
    const known = before.locks.get(name);
    const paths = known ? pathsOf(known, lock, codes) : [];
    if (!known || paths.length > 0)
      found.push({ change: known ? "changed" : "added", list: "locks", name, paths, effect: "at-once" });
  }
  for (const name of before.locks.keys()) {
    if (!after.locks.has(name)) found.push({ change: "removed", list: "locks", name, paths: [], effect: "at-once" });
  }
  for (const [name, builder] of after.builders) {
    const known = before.builders.get(name);
    if (known === builder) continue;
    const paths = known ? pathsOf(known.entry, builder.entry, codes) : [];
    if (known && paths.length === 0) paths.push(CODE);
    found.push({ change: known ? "changed" : "added", list: "builders", name, paths, effect: "next-builds" });
  }
  for (const name of before.builders.keys()) {
    if (!after.builders.has(name)) {
      found.push({ change: "removed", list: "builders", name, paths: [], effect: "drained" });
    }
  }
  return found;
}

function* partsOf(
  list: (typeof PART_LISTS)[number],
  before: readonly Part<Point>[],
  after: readonly Part<Point>[],
  codes: Codes,
): Generator<Difference> {
  const started = list === "secrets" ? "at-once" : "started";
  const restarted = list === "secrets" ? "at-once" : list === "workers" ? "drained" : "restarted";
  const stopped = list === "secrets" ? "at-once" : list === "workers" ? "drained" : "stopped";
  const left = new Set(before.filter((part) => !after.some((other) => other.jobs === part.jobs)));
  for (const part of after) {
    if (before.some((other) => other.jobs === part.jobs)) continue;
    const known = [...left].find((other) => other.name === part.name);
    if (!known) {
      yield { change: "added", list, name: part.name, paths: [], effect: started };
      continue;
    }
    left.delete(known);
    const paths =
      known.kind === part.kind ? pathsOf(known.entry.options, part.entry.options, codes, "options") : ["kind"];
    if (paths.length === 0) paths.push(CODE);
    yield { change: "changed", list, name: part.name, paths, effect: restarted };
  }
  for (const part of left) yield { change: "removed", list, name: part.name, paths: [], effect: stopped };
}

type Codes = readonly [before: string | undefined, after: string | undefined];

/** The paths at which two values differ; the value's own is `base`. */
function pathsOf(before: unknown, after: unknown, codes: Codes, base = ""): string[] {
  const paths: string[] = [];
  const walk = (old: unknown, now: unknown, path: string) => {
    if (paths.length >= MOST_PATHS || printOf(old, codes[0]) === printOf(now, codes[1])) return;
    if (!isTree(old) || !isTree(now) || Array.isArray(old) !== Array.isArray(now)) {
      const same = typeof now === "function" && typeof old === "function" && String(now) === String(old);
      paths.push(`${path}${same ? ` ${CODE}` : ""}`.trim());
      return;
    }
    for (const key of new Set([...Object.keys(old), ...Object.keys(now)])) {
      const next = Array.isArray(now) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
      walk((old as Record<string, unknown>)[key], (now as Record<string, unknown>)[key], next);
    }
  };
  walk(before, after, base);
  // The value itself needs no path.
  return paths.map((path) => (path === "" ? "value" : path));
}

function isTree(value: unknown): value is object {
  return (
    typeof value === "object" &&
    value !== null &&
    !isPlugin(value) &&
    (Array.isArray(value) || isData(value)) &&
    !isComputed(value)
  );
}

function isComputed(value: object): boolean {
  return Object.getOwnPropertySymbols(value).length > 0 && "toJSON" in value;
}
