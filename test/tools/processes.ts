import { readdir, readFile } from "node:fs/promises";

export interface MarkedProcess {
  pid: number;
  command: string;
}

/**
 * The running processes whose environment carries `mark`, `setsid` or not; empty where there is no `/proc`.
 * A process inherits its environment, so this finds what a process tree left behind.
 */
export async function processesWith(mark: string): Promise<MarkedProcess[]> {
  const entries = await readdir("/proc").catch(() => []);
  const found: MarkedProcess[] = [];
  for (const entry of entries) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    // Reading fails for processes that ended meanwhile, for zombies and for other people's.
    const environment = await readFile(`/proc/${entry}/environ`, "latin1").catch(() => "");
    if (!environment.includes(mark)) continue;
    const command = await readFile(`/proc/${entry}/cmdline`, "utf8").catch(() => "");
    if (command === "") continue;
    found.push({ pid: Number(entry), command: command.replaceAll("\0", " ").trim().slice(0, 200) });
  }
  return found;
}

/** Ends a process, or with a negative number its group, at once; one that is gone already is fine. */
export function endNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
