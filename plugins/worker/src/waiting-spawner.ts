import { readFileSync } from "node:fs";
import { readFile, rm, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "belfry";
import type { Waiting } from "./protocol.ts";
import { joinSpawner } from "./spawner-link.ts";
import { versions } from "./versions.ts";

/** Milliseconds that a spawner of another version has to end everything. */
const LEAVING = 15_000;

const written = z.object({
  versions: z.string(),
  pid: z.int().positive(),
  socket: z.string(),
  token: z.string(),
});

/**
 * The spawner that an earlier process of this master has left waiting, by the file in which it says so; `undefined` if
 * there is none. One that does not live any more is cleared away; one of another version ends everything first.
 */
export async function findWaiting(file: string, note: (message: string) => void): Promise<Waiting | undefined> {
  const waiting = await readWaiting(file);
  if (waiting === undefined) return undefined;
  if (!isAlive(waiting.pid)) {
    await clearWaiting(file, waiting);
    return undefined;
  }
  if (waiting.versions === versions) return waiting;
  note(`commands that were kept are ended: they were started by ${waiting.versions}; this is ${versions}`);
  const link = joinSpawner(waiting, () => {});
  link.say({ do: "leave", token: waiting.token });
  const late = setTimeout(() => link.letGo(), LEAVING);
  await link.gone;
  clearTimeout(late);
  await clearWaiting(file, waiting);
  return undefined;
}

/** Removes what a spawner had made in order to be found, if it has not done so itself. */
export async function clearWaiting(file: string, { socket, token }: Waiting): Promise<void> {
  if ((await readWaiting(file))?.token === token) await rm(file, { force: true });
  await rm(socket, { force: true }).catch(() => {});
  await rmdir(dirname(socket)).catch(() => {});
}

async function readWaiting(file: string): Promise<Waiting | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return written.parse(JSON.parse(text));
  } catch {
    await rm(file, { force: true });
    return undefined;
  }
}

/** True if there is a process of this number that runs: one that nobody collects after its end does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  try {
    return !/\) Z [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    // Not on this system.
    return true;
  }
}
