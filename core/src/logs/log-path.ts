import { join } from "node:path";
import { logFaults } from "./errors.ts";

/** Keys whose number differs only within this share a folder: large enough to spare folders, small enough to list. */
const PER_FOLDER = 128;
const NUMBER = /^(?:0|[1-9][0-9]{0,14})$/;

/**
 * Where a log's files are. `b/123/4-stdio` is `b/,0/123,4-stdio` and a suffix: the first part of a
 * key that is a number opens a folder that 128 numbers share, and what follows is flattened into
 * the name. So a build costs no folder of its own, and no folder grows without end. A comma cannot
 * be in a key, so no two keys meet.
 */
export interface LogPlace {
  folder: string;
  /** The files' names up to the comma before the segment's number. */
  name: string;
}

export function placeOf(root: string, key: string): LogPlace {
  const { folders, names } = split(partsOf(key));
  if (names.length === 0) names.push(folders.pop() as string);
  return { folder: join(root, ...folders), name: names.join(",") };
}

export function segmentPath(place: LogPlace, ordinal: number): string {
  return join(place.folder, `${place.name},${ordinal}`);
}

/** What lies below a prefix: a whole folder (`names` empty), or files in a folder whose names begin with these parts. */
export function below(root: string, prefix: string): { folder: string; names: string[] } {
  const { folders, names } = split(partsOf(prefix.slice(0, -1)));
  return { folder: join(root, ...folders), names };
}

/** The parts of the key that a file's name stands for, without the segment's number (and `tmp-…`); undefined for strangers. */
export function partsOfName(name: string): string[] | undefined {
  const parts = name.split(",");
  if (parts.at(-1)?.startsWith("tmp-")) parts.pop();
  const ordinal = parts.pop();
  return ordinal !== undefined && NUMBER.test(ordinal) && parts.length > 0 ? parts : undefined;
}

function partsOf(key: string): string[] {
  const fits = typeof key === "string" && /^[A-Za-z0-9._/-]{1,200}$/.test(key) && !key.includes("..");
  const parts = fits ? key.split("/") : [];
  if (!fits || parts.some((part) => part === "" || part === ".")) throw logFaults.logKeyInvalid(key);
  return parts;
}

function split(parts: string[]): { folders: string[]; names: string[] } {
  const at = parts.findIndex((part) => NUMBER.test(part));
  if (at === -1) return { folders: parts, names: [] };
  const shard = `,${Math.floor(Number(parts[at]) / PER_FOLDER)}`;
  return { folders: [...parts.slice(0, at), shard], names: parts.slice(at) };
}
