import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { install, packAll, run as runProgram, strangersEnv } from "../e2e/installed.ts";
import { percentile, type Row, rowAtMost } from "./bench.ts";

const TIMES = 5;
const PATIENCE = 30_000;
const IDLE = 5_000;
const BODY = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "builders.list" });

/** From the start of the process to the first answer at /rpc, installed from what `npm pack` makes; and memory at rest. */
async function run(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-start-"));
  try {
    {
      await using packed = await packAll();
      await install(folder, packed.tarballs.values());
    }
    const port = await freePort();
    await prepare(folder, port);
    const times: number[] = [];
    let memory = { master: 0, all: 0 };
    for (let i = 0; i < TIMES; i += 1) {
      const begun = performance.now();
      await using master = start(folder);
      await answering(port, master.child);
      times.push((performance.now() - begun) / 1_000);
      if (i < TIMES - 1) continue;
      await sleep(IDLE);
      memory = await residentMegabytes(master.child.pid as number);
    }
    return [
      rowAtMost("start to /rpc", "s", round(percentile(times, 0.5)), 1, round(await bareNode())),
      rowAtMost("memory of the idle master", "MB", memory.master, 130),
      {
        figure: "the same with its children",
        value: memory.all,
        unit: "MB",
        limit: null,
        ratio: null,
        goal: "none",
        met: true,
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** A repository with the configuration of `belfry init`, built once, so that there is nothing left to migrate or build. */
async function prepare(folder: string, port: number): Promise<void> {
  const must = async (command: string, ...args: string[]) => {
    const { code, all } = await runProgram(command, args, { cwd: folder });
    if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${all}`);
  };
  await must("git", "init", "-q", "-b", "main");
  await must("npx", "belfry", "init");
  const file = join(folder, "belfry.config.ts");
  await writeFile(file, (await readFile(file, "utf8")).replace("port: 8010", `port: ${port}`));
  await must("git", "add", "belfry.config.ts");
  await must("git", "-c", "user.name=bench", "-c", "user.email=bench@example.org", "commit", "-q", "-m", "first");
  await must("npx", "belfry", "start", "--once", "--plain");
}

function start(folder: string): AsyncDisposable & { child: ChildProcess } {
  const child = spawn(process.execPath, ["node_modules/belfry/bin/belfry.js", "start", "--plain"], {
    cwd: folder,
    env: strangersEnv(),
    stdio: ["ignore", "ignore", "inherit"],
  });
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return {
    child,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await gone;
      clearTimeout(timer);
    },
  };
}

async function answering(port: number, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`The master ended with ${child.exitCode}.`);
    if ((await ask(port)) === 200) return;
    await sleep(5);
  }
  throw new Error(`The master did not answer within ${PATIENCE / 1_000} s.`);
}

function ask(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const headers = { "content-type": "application/json", connection: "close" };
    const asked = request({ host: "127.0.0.1", port, path: "/rpc", method: "POST", headers }, (answer) => {
      answer.resume().once("close", () => resolve(answer.statusCode));
    });
    asked.once("error", () => resolve(undefined));
    asked.end(BODY);
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Median seconds of `node -e 0`. */
async function bareNode(): Promise<number> {
  const times = Array.from({ length: TIMES }, () => {
    const begun = performance.now();
    spawnSync(process.execPath, ["-e", "0"]);
    return (performance.now() - begun) / 1_000;
  });
  return percentile(times, 0.5);
}

/** Resident memory of a process alone, and together with the processes that it started. Linux only. */
async function residentMegabytes(pid: number): Promise<{ master: number; all: number }> {
  const facts = new Map<number, { parent: number; megabytes: number }>();
  for (const name of await readdir("/proc")) {
    const text = /^\d+$/.test(name) ? await readFile(`/proc/${name}/status`, "utf8").catch(() => "") : "";
    const number = (key: string) => Number(new RegExp(`^${key}:\\s*(\\d+)`, "m").exec(text)?.[1] ?? 0);
    if (text !== "") facts.set(Number(name), { parent: number("PPid"), megabytes: (number("VmRSS") * 1_024) / 1e6 });
  }
  const below = (root: number): number =>
    [...facts].reduce(
      (all, [id, { parent }]) => (parent === root ? all + below(id) : all),
      facts.get(root)?.megabytes ?? 0,
    );
  return { master: round(facts.get(pid)?.megabytes ?? 0), all: round(below(pid)) };
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

export default { name: "start", run };
