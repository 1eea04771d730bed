// A process of its own around one PostgreSQL server: it makes the server when started, does what it is asked over IPC,
// and takes the server and its folder away when whoever started it stops, crashes or is killed.
import { type ChildProcess, spawn } from "node:child_process";
import { appendFile, chmod, chown, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { type Binaries, postgresBinaries } from "./postgres-binaries.ts";

/** `fast` ends connections and shuts down in order; `immediate` is a crash, from which the next start recovers. */
export type StopMode = "fast" | "immediate";
export type Request = { ask: "stop" | "restart" | "down"; mode: StopMode } | { ask: "up" };
export type Reply = { url: string } | { done: true } | { failed: string };

const PASSWORD = "password";
const START_LIMIT = 60_000;
const SETTINGS = { fsync: "on", max_connections: "300", shared_buffers: "64MB", listen_addresses: "127.0.0.1" };

if (!process.connected) throw new Error("This is started by test/tools/postgres.ts.");

let server: ChildProcess | undefined;
let leaving = false;

// A Ctrl-C reaches everybody in the terminal; the one who started this decides when it is over.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

const folder = await mkdtemp(join(tmpdir(), "belfry-postgres-"));
const data = join(folder, "data");
const log = join(folder, "log");
let port = 0;
let binaries: Binaries;

// Asked for before anything is started, so that whoever is gone already is noticed.
process.on("disconnect", () => void leave("immediate"));
let turn: Promise<unknown> = Promise.resolve();
process.on("message", (request: Request) => {
  turn = turn.then(() => serve(request)).then(reply, (error: Error) => reply({ failed: error.message }));
});

try {
  await initialise();
  await start();
  reply({ url: `postgresql://postgres:${PASSWORD}@127.0.0.1:${port}/postgres` });
} catch (error) {
  reply({ failed: `PostgreSQL could not be started: ${error instanceof Error ? error.message : error}` });
  await leave("immediate");
}

function reply(message: Reply): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

async function serve(request: Request): Promise<Reply> {
  if (request.ask === "up") await start();
  else if (request.ask === "down") await stop(request.mode);
  else if (request.ask === "restart") {
    await stop(request.mode);
    await start();
  } else {
    await leave(request.mode);
  }
  return { done: true };
}

async function initialise(): Promise<void> {
  await chmod(folder, 0o755);
  binaries = await postgresBinaries(folder);
  await mkdir(data, { mode: 0o700 });
  const passwordFile = join(folder, "password");
  await writeFile(passwordFile, `${PASSWORD}\n`);
  for (const path of [data, passwordFile])
    if (binaries.owner) await chown(path, binaries.owner.uid, binaries.owner.gid);
  // A language's collation, as most servers have: order that only holds byte by byte is found out here.
  const locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=en-US"];
  const initdb = run(binaries.initdb, [
    `--pgdata=${data}`,
    "--auth=password",
    "--username=postgres",
    `--pwfile=${passwordFile}`,
    "--no-sync",
    ...locale,
  ]);
  const code = await (await initdb).exited;
  if (code !== 0) throw new Error(`initdb ended with ${code}.\n${await logTail()}`);
}

async function start(): Promise<void> {
  if (server) return;
  for (let attempt = 1; ; attempt += 1) {
    // Once known the port stays, so that a restarted server is found where it was.
    if (port === 0) port = await freePort();
    const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const started = await run(binaries.postgres, ["-D", data, "-p", String(port), "-k", "", ...settings]);
    server = started.child;
    const exited = started.exited.then((code) => {
      if (server === started.child) server = undefined;
      return code;
    });
    if (await isAnswering(exited)) return;
    if (leaving || attempt === 5) throw new Error(`the server does not answer.\n${await logTail()}`);
    if (/could not bind|address already in use/i.test(await logTail())) port = 0;
  }
}

async function isAnswering(exited: Promise<unknown>): Promise<boolean> {
  const patience = performance.now() + START_LIMIT;
  let gone = false;
  void exited.then(() => {
    gone = true;
  });
  while (!gone && performance.now() < patience) {
    const client = new pg.Client({
      host: "127.0.0.1",
      port,
      user: "postgres",
      password: PASSWORD,
      database: "postgres",
    });
    client.on("error", () => {});
    const answered = await client.connect().then(
      () => true,
      () => false,
    );
    await client.end().catch(() => {});
    if (answered) return true;
    await sleep(20);
  }
  return false;
}

async function stop(mode: StopMode): Promise<void> {
  const child = server;
  if (!child) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(mode === "fast" ? "SIGINT" : "SIGQUIT");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await exited;
  clearTimeout(timer);
  server = undefined;
}

async function leave(mode: StopMode): Promise<void> {
  if (leaving) return;
  leaving = true;
  await stop(mode);
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  reply({ done: true });
  process.exit(0);
}

/** Starts one of PostgreSQL's programs as the user it may run as; both its streams go to the log file. */
async function run(program: string, args: string[]): Promise<{ child: ChildProcess; exited: Promise<number | null> }> {
  const output = await open(log, "a");
  try {
    const child = spawn(program, args, {
      cwd: folder,
      env: { ...process.env, LC_ALL: "C", LC_MESSAGES: "C" },
      stdio: ["ignore", output.fd, output.fd],
      ...binaries.owner,
    });
    const exited = new Promise<number | null>((resolve) => {
      child.once("exit", resolve);
      child.once("error", (error) => void appendFile(log, `${error.message}\n`).finally(() => resolve(null)));
    });
    return { child, exited };
  } finally {
    await output.close();
  }
}

async function logTail(): Promise<string> {
  return (await readFile(log, "utf8").catch(() => "")).split("\n").slice(-20).join("\n");
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
