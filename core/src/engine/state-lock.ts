import { mkdir, open, readFile, rm } from "node:fs/promises";
import { readFileSync } from "node:fs";
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
  for (;;) {
    try {
      const handle = await open(file, "wx", 0o600);
      await handle.writeFile(`${process.pid} ${processStart(process.pid)}\n`);
      await handle.close();
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const [pid = "0", start = ""] = (await readFile(file, "utf8").catch(() => "")).trim().split(" ");
    if (Number(pid) > 0 && isAlive(Number(pid), start)) throw faults.masterRunning(name, `process ${pid}, which uses ${folder}`);
    await rm(file, { force: true });
  }
}
