import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "@belfry/testkit";

/** One life of a master in a process of its own. */
export interface Life {
  child: ChildProcess;
  ended: Promise<void>;
  output(): string;
}

/** Starts a fixture; what one life of it compiled, the next one in this folder need not. */
export function startMaster(fixture: string, folder: string, args: readonly string[]): Life {
  const child = spawn(process.execPath, ["--conditions=source", fixture, folder, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_COMPILE_CACHE: join(folder, "compiled") },
  });
  let output = "";
  child.stdout?.on("data", (data) => {
    output += data;
  });
  child.stderr?.on("data", (data) => {
    output += data;
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  return { child, ended, output: () => output };
}

export async function ready(life: Life): Promise<void> {
  await until(() => life.output().includes("ready") || life.child.exitCode !== null, "the master's start", 30_000);
  if (life.child.exitCode !== null) throw new Error(`the master did not start: ${life.output()}`);
}

/** Processes that some master started for this folder and that still run. */
export function leftBehind(folder: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/environ`, "utf8").includes(folder) ||
          readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder)
        );
      } catch {
        return false;
      }
    });
}
