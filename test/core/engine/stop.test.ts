import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { force } from "@belfry/schedulers";
import { fakeWorker, step, testMaster, until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES } from "../databases.ts";

const test = suite("stopping");
const fixture = fileURLToPath(new URL("./fixtures/leaving-master.ts", import.meta.url));
const PATIENCE = 60_000;

/** Runs the fixture; kills it when it does not end by itself. */
async function run(folder: string, url: string, how: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ["--conditions=source", fixture, folder, url, how], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearTimeout(timer);
  return { code, output };
}

for (const kind of DATABASES) {
  for (const how of ["now", "after-builds"]) {
    test(`${kind.name}: a master that stops (${how}) leaves no timer, socket or process: its process ends by itself`, async () => {
      await using database = await kind.open();
      const folder = await mkdtemp(join(tmpdir(), "belfry-stop-"));
      try {
        const { url = "" } = database.entry.options as { url?: string };
        const { code, output } = await run(folder, url, how);
        assert.match(output, /stopped \d+/, output);
        assert.is(code, 0, output);
        const left = await readdir(join(folder, ".belfry"));
        assert.not.ok(left.includes("master.sock"), left.join());
        assert.not.ok(left.includes("master.lock"), left.join());
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
  }
}

for (const kind of DATABASES) {
  test(`${kind.name}: a build that is stopped in the moment when a step begins does not run that step to its end`, async () => {
    await using database = await kind.open();
    await using kit = await testMaster({
      config: {
        database: database.entry,
        workers: [fakeWorker({ name: "w" })],
        schedulers: [force({ name: "f", builders: ["b"] })],
        builders: [
          {
            name: "b",
            workers: ["w"],
            steps: [
              step({
                run: ({ signal }) =>
                  new Promise((_, reject) => {
                    if (signal.aborted) reject(signal.reason);
                    signal.addEventListener("abort", () => reject(signal.reason));
                  }),
              }),
            ],
          },
        ],
      },
    });
    const { store, status } = kit.master;
    const write = store.write.bind(store);
    let stopped = false;
    // The answer of the database that the step has begun comes when the stop has.
    store.write = async (work) => {
      const value = await write(work);
      if (!stopped && status.builds()[0]?.steps.length === 1) {
        stopped = true;
        await kit.call("builds.stop", { builder: "b", number: 1 });
        await until(() => status.builds()[0]?.stopping === true, "the stop");
      }
      return value;
    };
    const { buildset } = await kit.call("schedulers.force", { scheduler: "f" });
    assert.is((await kit.buildsetEnd(buildset)).result, "cancelled");
  });
}

test.run();
