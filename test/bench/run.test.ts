import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { percentile } from "./bench.ts";

const bench = suite("npm run bench");
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

function run(fixture: string, args: string[] = []): Promise<{ code: number | null; table: string; rest: string }> {
  const child = spawn(process.execPath, [here("run.ts"), "--root", here(`fixtures/${fixture}`), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let table = "";
  let rest = "";
  child.stdout.on("data", (chunk: Buffer) => {
    table += chunk;
  });
  child.stderr.on("data", (chunk: Buffer) => {
    rest += chunk;
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, table, rest })));
}

bench("prints every figure beside its limit, in columns", async () => {
  const { code, table, rest } = await run("good");
  assert.is(code, 0);
  assert.is(
    table,
    [
      "bench   figure       value      limit  ratio  goal                 met",
      "steady  work/s   1,500 1/s  3,000 1/s  0.500  ≥ 0.25 of the limit  yes",
      "steady  latency    12.3 ms          –      –  ≤ 15 ms              yes",
      "steady  share    1,000 1/s  4,000 1/s  0.250  ≥ 1000 1/s           yes",
      "",
    ].join("\n"),
  );
  assert.match(rest, /what a benchmark prints is no row/);
});

bench("writes the same as JSON", async () => {
  const folder = await mkdtemp(join(tmpdir(), "belfry-bench-"));
  try {
    await run("good", ["--json", join(folder, "rows.json")]);
    const rows = JSON.parse(await readFile(join(folder, "rows.json"), "utf8"));
    assert.is(rows.length, 3);
    assert.equal(rows[0], {
      bench: "steady",
      figure: "work/s",
      value: 1500,
      unit: "1/s",
      limit: 3000,
      ratio: 0.5,
      goal: "≥ 0.25 of the limit",
      met: true,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

bench("a figure that is missed is in the table, and the run fails", async () => {
  const { code, table } = await run("bad", ["--only", "missed"]);
  assert.is(code, 1);
  assert.match(table, /^missed +latency +16\.0 ms .*MISSED$/m);
});

bench("a benchmark that throws or hangs fails, and the others are measured", async () => {
  const { code, table } = await run("bad", ["--time-limit", "3"]);
  assert.is(code, 1);
  assert.match(table, /^missed +latency/m);
  assert.match(table, /^FAILED throws: the disk is full$/m);
  assert.match(table, /^FAILED hangs: it took longer than 3 s$/m);
});

bench("a name that no benchmark has is a failure", async () => {
  const { code, table } = await run("good", ["--only", "nothing"]);
  assert.is(code, 1);
  assert.match(table, /No benchmark matches/);
});

bench("percentiles are samples that were measured", () => {
  const samples = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.is(percentile(samples, 0.5), 50);
  assert.is(percentile(samples, 0.95), 95);
  assert.is(percentile(samples, 1), 100);
  assert.is(percentile([7], 0), 7);
  assert.throws(() => percentile([], 0.5), /no samples/);
});

bench.run();
