import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { administrator, Master } from "belfry";
import { loadFresh } from "../../core/src/config/load.ts";
import { root } from "../tools/packages.ts";
import { percentile, type Row, rowAtMost } from "./bench.ts";
import { round, sleep } from "./measure.ts";

const TIMES = 20;

const config = (n: number) => `
  import { defineConfig, property } from "belfry";
  import { force } from "@belfry/schedulers";
  import { sqlite } from "@belfry/sqlite";
  import { shell } from "@belfry/steps";
  import { localWorker } from "@belfry/worker";
  import { steps } from "./steps.ts";
  const names = Array.from({ length: 200 }, (_, i) => \`b\${i}\`);
  export default defineConfig({
    database: sqlite(),
    workers: [localWorker({ name: "w", slots: 4 })],
    schedulers: [force({ name: "force", builders: [...names, "long"] })],
    builders: [
      { name: "long", workers: ["w"], steps: [shell({ command: "sleep 600" })] },
      ...names.map((name, i) => ({
        name,
        workers: ["w"],
        env: { BRANCH: property("branch", "main"), N: i < 20 ? "${n}" : "" },
        steps: steps(name),
      })),
    ],
  });`;
const steps = `
  import { shell } from "@belfry/steps";
  export const steps = (name: string) =>
    Array.from({ length: 5 }, (_, i) => shell({ name: \`step \${i}\`, command: ["make", name, String(i)], maxTime: "1h" }));`;

/** 200 builders of 5 steps, 20 of them changed, while builds run. */
async function run(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-reload-"));
  const file = join(folder, "belfry.config.ts");
  try {
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    await writeFile(join(folder, "steps.ts"), steps);
    await writeFile(file, config(0));
    const loaded = await loadFresh(file);
    const master = new Master(loaded.value, { folder, loaded, load: () => loadFresh(file) });
    await master.start();
    try {
      await master.api.call("schedulers.force", { scheduler: "force", builders: ["long"] }, administrator);
      while (master.status.builds()[0]?.steps.length !== 1) await sleep(20);
      const before = master.status.builds()[0]?.id;
      const times: number[] = [];
      const held: number[] = [];
      for (let n = 1; n <= TIMES; n += 1) {
        await writeFile(file, config(n));
        const delay = monitorEventLoopDelay({ resolution: 1 });
        delay.enable();
        const begun = performance.now();
        const { items } = await master.reload();
        times.push(performance.now() - begun);
        delay.disable();
        held.push(delay.max / 1e6);
        if (items.length !== 20) throw new Error(`${items.length} differences`);
      }
      const [build] = master.status.builds();
      if (build?.id !== before || build?.steps[0]?.finishedAt !== null)
        throw new Error("the running build was touched");
      return [
        rowAtMost("reload of 200 builders, the slowest of 20", "ms", round(Math.max(...times)), 1_000),
        { ...rowAtMost("event loop held meanwhile, median of the longest", "ms", round(percentile(held, 0.5)), 20) },
      ];
    } finally {
      await master.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export default { name: "reload", run };
