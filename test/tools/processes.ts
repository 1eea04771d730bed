import { readdir, readFile } from "node:fs/promises";

export interface MarkedProcess {
  pid: number;
  command: string;
}

/**
 * The running processes whose environment carries `mark`, `setsid` or not; empty where there is no `/proc`.
 * A process inherits its environment, so this finds what a process tree left behind.
 */
export function processesWith(mark: string): Promise<MarkedProcess[]> {
  return processesWhose("environ", mark);
}

/** The running processes with `text` in their command line; empty where there is no `/proc`. */
export function processesNaming(text: string): Promise<MarkedProcess[]> {
  return processesWhose("cmdline", text);
}

async function processesWhose(part: "environ" | "cmdline", text: string): Promise<MarkedProcess[]> {
  const entries = await readdir("/proc").catch(() => []);
  const found: MarkedProcess[] = [];
  for (const entry of entries) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    // Reading fails for processes that ended meanwhile, for zombies and for other people's.
    const read = (name: string) => readFile(`/proc/${entry}/${name}`, "utf8").catch(() => "");
    if (!(await read(part)).includes(text)) continue;
    const command = await read("cmdline");
    if (command !== "") found.push({ pid: Number(entry), command: command.replaceAll("\0", " ").trim().slice(0, 200) });
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
