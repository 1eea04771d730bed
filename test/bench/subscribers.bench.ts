import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { http } from "@belfry/http";
import { jsonrpc } from "@belfry/jsonrpc";
import { testMaster } from "@belfry/testkit";
import { type Row, rowAtMost } from "./bench.ts";
import { httpUrl } from "./http-url.ts";
import { round, sleep } from "./measure.ts";

const SUBSCRIBERS = 1_000;
const A_SECOND = 100;
const SECONDS = 30;
const EVENTS = A_SECOND * SECONDS;

const client = fileURLToPath(new URL("./subscribers-client.ts", import.meta.url));

interface Told {
  complete: number;
  told: number;
  disorder: number;
  p50: number;
  p99: number;
}

/** A thousand WebSockets that are told a hundred events a second. */
async function run(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-subscribers-"));
  let subscribers: ChildProcess | undefined;
  try {
    await using kit = await testMaster({
      folder,
      config: { access: { anonymous: "read" }, services: [http({ port: 0, maxConnections: 3_000 }), jsonrpc()] },
    });
    const change = (key: string) => kit.call("changes.add", { repository: "r", key });
    // As many events as there will be, so that what the master itself keeps of them is not counted to the subscribers.
    for (let i = 0; i < EVENTS; i += 1) await change(`warm ${i}`);
    const before = await restingMemory();
    subscribers = fork(
      client,
      [
        JSON.stringify({
          url: `${httpUrl(kit.master).replace("http", "ws")}/rpc`,
          subscribers: SUBSCRIBERS,
          events: EVENTS,
        }),
      ],
      { execArgv: [], stdio: ["ignore", "inherit", "inherit", "ipc"] },
    );
    await message(subscribers, "subscribed");
    let most = 0;
    const watching = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 200);
    const told = message(subscribers, "told") as Promise<Told>;
    const begun = performance.now();
    for (let i = 0; i < EVENTS; i += 1) {
      const due = begun + (i * 1_000) / A_SECOND;
      if (performance.now() < due) await sleep(due - performance.now());
      await change(`c${i}`);
    }
    const took = (performance.now() - begun) / 1_000;
    const late = setTimeout(() => subscribers?.send("that is all"), 20_000);
    const { complete, disorder, p50, p99 } = await told;
    clearTimeout(late);
    clearInterval(watching);
    console.error(`${EVENTS} events in ${took.toFixed(1)} s; p50 ${p50} ms; out of order: ${disorder}`);
    return [
      {
        figure: `subscribers that were told all ${EVENTS} events`,
        value: complete,
        unit: "WebSockets",
        limit: SUBSCRIBERS,
        ratio: complete / SUBSCRIBERS,
        goal: "all, in order",
        met: complete === SUBSCRIBERS && disorder === 0,
      },
      rowAtMost("commit to subscriber, p99", "ms", p99, 250),
      rowAtMost("memory a subscriber, at the peak", "KiB", round((most - before) / 1_024 / SUBSCRIBERS), 40),
    ];
  } finally {
    subscribers?.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

async function restingMemory(): Promise<number> {
  globalThis.gc?.();
  await sleep(500);
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

async function message(child: ChildProcess, key: string): Promise<unknown> {
  for (;;) {
    const [said] = await Promise.race([
      once(child, "message"),
      once(child, "exit").then(() => Promise.reject(new Error("the subscribers have ended"))),
    ]);
    if (typeof said === "object" && said !== null && key in said) return said;
  }
}

export default { name: "subscribers", run };
