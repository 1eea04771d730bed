// time limit: 300 s
import { readFile, writeFile } from "node:fs/promises";
import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, World } from "./program.ts";

const test = suite("belfry reload and plan");

const local = { head: 'import { title } from "./title.ts";', more: "title," };

async function world(): Promise<World> {
  const made = await World.make(configText(local));
  await writeFile(made.path("title.ts"), 'export const title: string = "First";');
  return made;
}

test("plan shows what a reload would change, and reload changes it, with what the configuration imports", async () => {
  await using made = await world();
  await made.start();
  assert.is((await made.run("plan")).out, "A reload would change nothing.\n");
  await writeFile(made.path("title.ts"), 'export const title: string = "Second";');
  await made.config(
    configText({ ...local, builders: '{ name: "new", workers: ["here"], steps: [] }', schedulers: "" }),
  );
  const plan = await made.run("plan");
  assert.is(plan.code, 0, plan.err);
  assert.equal(plan.out.split("\n"), [
    "A reload would change:",
    "  ~ settings title (changed; at once)",
    "  - schedulers force (removed; stopped)",
    "  + builders new (added; for builds that begin from now on)",
    "  - builders good (removed; its requests wait)",
    "  - builders bad (removed; its requests wait)",
    "  - builders slow (removed; its requests wait)",
    "",
  ]);
  const { value } = await made.json("reload");
  assert.is(value.items.length, 6);
  assert.is((await made.json("plan")).value.items.length, 0);
  const { value: builders } = await made.json("builders");
  assert.equal(
    builders.items.filter((item: any) => item.configured).map((item: any) => item.name),
    ["new"],
  );
});

test("a broken configuration is refused with all its faults and exit code 5, and the master goes on", async () => {
  await using made = await world();
  const master = await made.start();
  await made.config(configText({ ...local, builders: '{ name: "", workers: ["absent"], steps: [shell({})] }' }));
  const { code, err } = await made.run("reload");
  assert.is(code, 5, err);
  assert.match(err, /builders\[0\]\.name/);
  assert.match(err, /builders\[0\]\.steps\[0\]\.options/);
  await made.config("export default {{{");
  assert.is((await made.run("reload")).code, 5);
  assert.is((await made.run("plan")).code, 5);
  assert.is((await made.run("force", "good", "--wait")).code, 0);
  assert.is((await master.signal("SIGTERM")).code, 0);
  assert.match(await readFile(made.path(".belfry/master.log"), "utf8"), /the configuration was refused/);
});

test("SIGHUP asks for a reload too, and says how it went", async () => {
  await using made = await world();
  const master = await made.start();
  await writeFile(made.path("title.ts"), 'export const title: string = "Second";');
  master.process.kill("SIGHUP");
  await master.printed("~ settings title (changed; at once)");
  await made.config("export default 1;");
  master.process.kill("SIGHUP");
  await master.printed("The configuration has a fault.");
  assert.is(master.process.exitCode, null);
  await until(async () => (await made.run("builders")).code === 0, "the master's answer");
  assert.is((await master.signal("SIGINT")).code, 0);
});

test.run();
