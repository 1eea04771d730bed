import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { rejects } from "@belfry/testkit";
import { BelfryError, Master } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadFresh } from "../../../core/src/config/load.ts";
import { root } from "../../tools/packages.ts";

const test = suite("a configuration that is loaded again");

/** A folder with these files, each time it is asked for. */
class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(files: Record<string, string>): Promise<Folder> {
    const folder = new Folder(await mkdtemp(join(tmpdir(), "belfry-fresh-")));
    await symlink(join(root, "node_modules"), join(folder.path, "node_modules"));
    await folder.put({ "package.json": '{ "type": "module", "imports": { "#mine": "./mine.ts" } }', ...files });
    return folder;
  }

  async put(files: Record<string, string>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(this.path, name)), { recursive: true });
      await writeFile(join(this.path, name), text);
    }
  }

  load() {
    return loadFresh(join(this.path, "belfry.config.ts"));
  }

  [Symbol.asyncDispose]() {
    return rm(this.path, { recursive: true, force: true });
  }
}

test("is read anew with all its local imports: modules, JSON, those by #name, and those of the old kind at any depth", async () => {
  await using folder = await Folder.make({
    "belfry.config.ts": `
      import { createRequire } from "node:module";
      import { z } from "belfry";
      import { value as mine } from "#mine";
      import { value as deep } from "./lib/deep.ts";
      import data from "./data.json" with { type: "json" };
      import old from "./old.cjs";
      const required = createRequire(import.meta.url)("./lib/required.cjs");
      export default { mine, deep, data: data.value, old: old.value, required: required.value, z, file: import.meta.filename };`,
    "mine.ts": "export const value: number = 1;",
    "lib/deep.ts": 'export { value } from "./deeper.ts";',
    "lib/deeper.ts": "export const value: number = 1;",
    "data.json": '{ "value": 1 }',
    "old.cjs": 'exports.value = require("./lib/older.cjs").value;',
    "lib/older.cjs": "exports.value = 1;",
    "lib/required.cjs": "exports.value = 1;",
  });
  const { z } = await import("belfry");
  const first = await folder.load();
  const same = await folder.load();
  assert.is(same.code, first.code, "the same text has the same hash");
  assert.is.not(same.value, first.value);
  const codes = new Set([first.code]);
  const parts: [string, string, string][] = [
    ["mine", "mine.ts", "export const value: number = 2;"],
    ["deep", "lib/deeper.ts", "export const value: number = 2;"],
    ["data", "data.json", '{ "value": 2 }'],
    ["old", "lib/older.cjs", "exports.value = 2;"],
    ["required", "lib/required.cjs", "exports.value = 2;"],
  ];
  for (const [key, file, text] of parts) {
    await folder.put({ [file]: text });
    const { value, code } = await folder.load();
    assert.is((value as Record<string, unknown>)[key], 2, file);
    assert.is((value as Record<string, unknown>)["z"], z, "there is one copy of a package");
    assert.is((value as Record<string, unknown>)["file"], join(folder.path, "belfry.config.ts"));
    codes.add(code);
  }
  assert.is(codes.size, 6, "each change shows in the hash");
});

test("that fails is told without what the loading added to its name, and can be loaded once it is right", async () => {
  await using folder = await Folder.make({ "belfry.config.ts": 'import "./absent.ts"; export default {};' });
  const error = await rejects(folder.load(), "the loading");
  assert.ok(BelfryError.is(error));
  assert.is(error.code, "BELFRY_CONFIG_UNREADABLE");
  assert.not.match(error.why, /belfry-generation/);
  await folder.put({ "absent.ts": "" });
  assert.equal((await folder.load()).value, {});
});

/** A worker takes its time to be replaced. */
const slots = (n: number) => 1 + (Math.floor(n / 10) % 3);

const config = (n: number) => `
  import { defineConfig, masterLock } from "belfry";
  import { http } from "@belfry/http";
  import { jsonrpc } from "@belfry/jsonrpc";
  import { anyBranch, force } from "@belfry/schedulers";
  import { sqlite } from "@belfry/sqlite";
  import { shell } from "@belfry/steps";
  import { localWorker } from "@belfry/worker";
  import { command } from "./command.ts";
  import { local } from "./plugin.ts";
  const licence = masterLock({ name: "licence", maxCount: ${1 + (n % 5)} });
  export default defineConfig({
    title: "T${n}",
    database: sqlite({ synchronous: "normal" }),
    services: [http({ port: 0, grace: ${1_000 + n} }), jsonrpc(), local({ n: ${n} })],
    workers: [localWorker({ name: "w", slots: ${slots(n)} })],
    locks: [licence],
    schedulers: [force({ name: "f", builders: ["b0"] }), anyBranch({ name: "a", builders: ["b1"] })],
    builders: Array.from({ length: 50 }, (_, i) => ({
      name: \`b\${i}\`,
      workers: ["w"],
      locks: [licence.access("counting")],
      canStart: () => ${n} >= 0,
      steps: [shell({ name: "one", command: command(i) }), shell({ name: "two", command: () => command(${n}) })],
    })),
  });`;

const files = (n: number) => ({
  "belfry.config.ts": config(n),
  "command.ts": `export const command = (i: number) => "echo " + i + " ${n}";`,
  "plugin.ts": `
    import { definePlugin, defineService, z } from "belfry";
    export const local = defineService({
      kind: "local",
      options: z.strictObject({ n: z.number() }),
      create: (_options, ctx) => {
        let timer;
        ctx.store.work("queue", async () => undefined);
        return {
          start: async () => { timer = setInterval(() => undefined, 3_600_000); },
          stop: async () => clearInterval(timer),
        };
      },
    });
    export default definePlugin({ name: "local-plugin", parts: [local] });`,
});

test("a hundred times leaves no handle and no timer behind, and of the memory only the modules", async () => {
  await using folder = await Folder.make(files(0));
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const loaded = await folder.load();
  const master = new Master(loaded.value, { folder: folder.path, loaded, load: () => folder.load() });
  await master.start();
  try {
    const count = () => {
      const counts: Record<string, number> = {};
      for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
      return counts;
    };
    const settled = async () => {
      for (let i = 0; i < 5; i += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        collect();
      }
      return { heap: process.memoryUsage().heapUsed, handles: count() };
    };
    let n = 0;
    const reload = async (times: number) => {
      for (let i = 0; i < times; i += 1) {
        n += 1;
        await folder.put(files(n));
        assert.ok((await master.reload()).items.length > 50);
        while (master.status.workers()[0]?.slots !== slots(n) || !master.status.workers()[0]?.connected) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }
    };
    await reload(10);
    const before = await settled();
    await reload(100);
    const after = await settled();
    for (const [name, number] of Object.entries(after.handles)) {
      // Timers come and go with the loops; a hundred that stayed would show.
      const allowed = (before.handles[name] ?? 0) + (name === "Timeout" || name === "Immediate" ? 5 : 1);
      assert.ok(number <= allowed, `${name}: ${before.handles[name] ?? 0} before, ${number} after`);
    }
    const grown = (after.heap - before.heap) / 1024 / 100;
    assert.ok(grown < 150, `${Math.round(grown)} KiB a reload stay`);
    if (process.env["BELFRY_SHOW"]) console.log({ grown, before: before.handles, after: after.handles });
  } finally {
    await master.stop();
  }
});

test.run();
