import { readFileSync } from "node:fs";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { faults } from "../errors/catalogue.ts";

/** When a process began, so that another one of the same number is not taken for it; "" where the system does not tell. */
export function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

export function isAlive(pid: number, start: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return false;
  }
  const now = processStart(pid);
  return start === "" || now === "" || now === start;
}

/** Makes sure that one master uses a state folder. A lock that a killed master left is taken over. */
export async function lockState(folder: string, name: string): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, "master.lock");
  const own = `${file}.${process.pid}`;
  // Made beside and linked, so that nobody ever sees a lock without its owner in it.
  await writeFile(own, `${process.pid} ${processStart(process.pid)}\n`, { mode: 0o600 });
  try {
    for (;;) {
      try {
        await link(own, file);
        return () => rm(file, { force: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const pid = await lockHolder(folder);
      if (pid !== undefined) throw faults.masterRunning(name, `process ${pid}, which uses ${folder}`);
      await putAside(file, `${file}.stale-${process.pid}`);
    }
  } finally {
    await rm(own, { force: true });
  }
}

/** Takes a dead master's lock away, and gives it back if another one has taken it over meanwhile. */
async function putAside(file: string, aside: string): Promise<void> {
  try {
    await rename(file, aside);
  } catch {
    return;
  }
  if ((await holderOf(aside)) !== undefined) await link(aside, file).catch(() => undefined);
  await rm(aside, { force: true });
}

/** The process that holds the lock of a state folder; `undefined` if there is none, or it is dead. */
export function lockHolder(folder: string): Promise<number | undefined> {
  return holderOf(join(folder, "master.lock"));
}

async function holderOf(file: string): Promise<number | undefined> {
  const [pid = "0", start = ""] = (await readFile(file, "utf8").catch(() => "")).trim().split(" ");
  return Number(pid) > 0 && isAlive(Number(pid), start) ? Number(pid) : undefined;
}
