// A master in a process of its own that is restarted: `begin` runs a command, lets go of it and leaves; `resume` takes it
// up again. Output is appended to files as it is taken. What happened is printed as JSON.
import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { localWorker } from "@belfry/worker";
import type { CommandSpec, CreateContext, OutputSink } from "belfry";
import { clock, until } from "./kit.ts";

/** What the test wants of the process. */
export interface Plan {
  folder: string;
  part: "begin" | "resume";
  spec: CommandSpec;
  /** Bytes that are taken before the first process lets go. */
  bytes?: number;
  keepFor?: number;
  /** How the call that is outstanding when it lets go ends. */
  last?: "taken" | "refused";
  /** Kills itself instead of leaving: before all is detached, or after. */
  kill?: "running" | "detached";
  /** Cancels the command when this file exists. */
  cancel?: string;
  options?: Record<string, unknown>;
}

const plan = JSON.parse(process.argv[2] ?? "") as Plan;
const { folder, spec } = plan;
const notes: string[] = [];
const ctx = { name: "local", clock, folder, stateFolder: join(folder, "state") } as CreateContext;
const worker = localWorker.definition.create(localWorker.definition.options.parse(plan.options ?? {}), ctx);
const started = performance.now();
await worker.start({
  signal: new AbortController().signal,
  folder,
  changed() {},
  note: (message) => void notes.push(message),
});
const session = await worker.open({ id: 7, builder: "builder", slot: 0, fence: plan.part === "begin" ? 1 : 2 });

let taken = 0;
let leaving = false;
let late = 0;
const sink: OutputSink = async (channel, data) => {
  if (leaving) late += 1;
  const copy = Buffer.from(data);
  if (Math.random() < 0.2) await sleep(Math.random() * 3);
  while (plan.part === "begin" && taken >= (plan.bytes ?? Infinity) && !leaving) await sleep(1);
  if (leaving && plan.last === "refused") throw new Error("the store is closed");
  appendFileSync(join(folder, channel), copy);
  taken += copy.length;
};

const abort = new AbortController();
if (plan.part === "begin") {
  const running = session.run(spec, sink, { signal: abort.signal, callId: "the-call" });
  running.catch(() => {});
  if (plan.bytes) await until("enough is taken", () => taken >= (plan.bytes as number));
  await sleep(20);
  if (plan.kill === "running") process.kill(process.pid, "SIGKILL");
  const detaching = session.detach?.();
  leaving = true;
  abort.abort();
  await detaching;
  if (plan.kill === "detached") process.kill(process.pid, "SIGKILL");
  await session.close();
  await worker.detach?.({ keepFor: plan.keepFor ?? 60_000 });
  console.log(JSON.stringify({ late, notes }));
} else {
  const { cancel } = plan;
  if (cancel) void until("it is cancelled", () => existsSync(cancel)).then(() => abort.abort());
  const began = performance.now();
  const result = await session.resume?.(spec, sink, { signal: abort.signal, callId: "the-call" });
  const took = performance.now() - began;
  const again = await session.resume?.(spec, sink, { signal: abort.signal, callId: "the-call" });
  const files = await session.list(".");
  await session.close();
  await worker.stop();
  const all = { result, again, files, took, life: performance.now() - started, notes };
  console.log(JSON.stringify(all));
}
