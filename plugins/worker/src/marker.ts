import { createHash } from "node:crypto";

/**
 * Every process of a command carries a marker in its environment, in `BELFRY_SESSION`:
 * `<worker>.<folder>.<spawner>.<number>;`, where worker and folder are hashes of paths and spawner is a
 * process number and its start. A master that runs inside a command adds its markers to the one it was
 * given, so that the outer one still finds everything.
 */
export function workerPrefix(workerFolder: string): string {
  return `${hash(workerFolder)}.`;
}

/** What the markers of all commands in one build folder begin with. */
export function folderPrefix(workerFolder: string, folder: string): string {
  return `${hash(workerFolder)}.${hash(folder)}.`;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
