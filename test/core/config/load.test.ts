import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BelfryError } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findConfig, loadConfigFile } from "../../../core/src/config/load.ts";
import { root } from "../../tools/packages.ts";

const loading = suite("the file of a configuration");

/** Calls `work` with a folder that holds these files. */
async function inFolder(files: Record<string, string>, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "belfry-config-"));
  try {
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function refusal(work: () => unknown): Promise<BelfryError> {
  try {
    await work();
  } catch (error) {
    if (BelfryError.is(error)) return error;
    throw error;
  }
  return assert.unreachable("it was not refused") as never;
}

loading("is found by its usual names, TypeScript first, or by the name that is given", async () => {
  await inFolder({ "belfry.config.js": "", "other.ts": "" }, async (folder) => {
    assert.is(findConfig(undefined, folder), join(folder, "belfry.config.js"));
    await writeFile(join(folder, "belfry.config.ts"), "");
    assert.is(findConfig(undefined, folder), join(folder, "belfry.config.ts"));
    assert.is(findConfig("other.ts", folder), join(folder, "other.ts"));
  });
});

loading("that is not there is refused, with where it was looked for", async () => {
  await inFolder({ "belfry.config.ts": "" }, async (folder) => {
    const named = await refusal(() => findConfig("absent.ts", folder));
    assert.is(named.code, "BELFRY_CONFIG_NOT_FOUND");
    assert.ok(named.what.includes(join(folder, "absent.ts")));
    const usual = await refusal(() => findConfig(undefined, join(folder, "elsewhere")));
    assert.match(usual.fix, /belfry init/);
  });
});

loading("is TypeScript that may import packages and files beside it", async () => {
  const files = {
    "belfry.config.ts": `import { sqlite } from "@belfry/sqlite"; import { title } from "./title.ts";
      interface Any { x: number } const any: Any = { x: 1 };
      export default { title: title + any.x, database: sqlite() };`,
    "title.ts": `export const title: string = "Mine ";`,
  };
  await inFolder(files, async (folder) => {
    const { value, folder: home } = await loadConfigFile(join(folder, "belfry.config.ts"));
    assert.is((value as { title: string }).title, "Mine 1");
    assert.is(home, folder);
  });
});

loading("that cannot be loaded is refused with the reason", async () => {
  const broken: Record<string, [text: string, reason: RegExp]> = {
    "syntax.ts": ["export default {", /./],
    "throws.ts": ['throw new Error("no luck today");', /no luck today/],
    "absent.ts": ['import "@belfry/no-such-package";', /no-such-package/],
    "rejects.ts": ['await Promise.reject(new Error("later"));', /later/],
    "enum.ts": ["enum A { B } export default A;", /enum/i],
  };
  const files = Object.fromEntries(Object.entries(broken).map(([name, [text]]) => [name, text]));
  await inFolder(files, async (folder) => {
    for (const [name, [, reason]] of Object.entries(broken)) {
      const error = await refusal(() => loadConfigFile(join(folder, name)));
      assert.is(error.code, "BELFRY_CONFIG_UNREADABLE", name);
      assert.match(error.why, reason, name);
      assert.ok(error.what.includes(join(folder, name)));
      assert.ok(error.cause, name);
    }
  });
});

loading("a refusal of a plugin's function keeps its own code", async () => {
  const text = `import { definePlugin } from "belfry"; import { shell } from "@belfry/steps";
    definePlugin({ name: "thief", parts: [shell] }); export default {};`;
  await inFolder({ "belfry.config.ts": text }, async (folder) => {
    const error = await refusal(() => loadConfigFile(join(folder, "belfry.config.ts")));
    assert.is(error.code, "BELFRY_PART_TWICE");
  });
});

loading.run();
