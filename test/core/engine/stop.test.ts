import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
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

test.run();
