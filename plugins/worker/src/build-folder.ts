import { createHash } from "node:crypto";

/** Names that are safe as they are on every file system, and cannot be mistaken for one of ours. */
const PLAIN = /^[a-z0-9][a-z0-9._-]{0,59}$/;
const OURS = /(-[0-9a-f]{10}|-slot\d+|\.)$/;

/**
 * The name of a folder for any name: the name itself if that is safe, else what can be kept of it and a
 * hash. Two names never get the same folder, not even where case does not count.
 */
export function folderName(name: string): string {
  if (PLAIN.test(name) && !OURS.test(name)) return name;
  const kept = name
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 40)
    .replace(/^-+|-+$/g, "");
  const hash = createHash("sha256").update(name).digest("hex").slice(0, 10);
  return `${kept || "x"}-${hash}`;
}

/** The name of the folder in which one slot of a worker builds for a builder. */
export function buildFolderName(builder: string, slot: number): string {
  return slot === 0 ? folderName(builder) : `${folderName(builder)}-slot${slot}`;
}
