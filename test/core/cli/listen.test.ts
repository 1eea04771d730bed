import { readFile, writeFile } from "node:fs/promises";
import { until } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configText, type Running, World } from "./program.ts";

const test = suite("belfry listen");

const config = (port: number) =>
  configText({ services: `http({ port: ${port} }), jsonrpc()`, more: 'access: { anonymous: "read" },' });

const tellMe = `
import { appendFileSync } from "node:fs";
export default {
  types: ["change.added"],
  from: "start",
  async handle({ data }) { appendFileSync("heard.txt", data.revision + "\\n"); },
};
`;

/** An entry, as a configuration has it, of a plugin that looks something up at the master. */
const entry = `
import { appendFileSync } from "node:fs";
import { administrator, defineListener, definePlugin, TOKENS, z } from "belfry";
const teller = defineListener({
  kind: "teller",
  options: z.strictObject({ file: z.string() }),
  create: ({ file }, ctx) => ({
    types: ["change.added"],
    from: "start",
    async handle({ data }) {
      const change = await ctx.container.resolve(TOKENS.api).call("changes.get", { change: data.change }, administrator);
      appendFileSync(file, ctx.name + " " + change.revision + "\\n");
    },
  }),
});
definePlugin({ name: "own", parts: [teller] });
export default teller({ name: "mine", file: "heard.txt" });
`;

const manifest = (dependencies: object) => JSON.stringify({ type: "module", dependencies });

/** A folder without a configuration, as that of somebody who only listens. */
async function listening(file: string, text: string): Promise<World> {
  const world = await World.make();
  await writeFile(world.path("package.json"), manifest({ "@belfry/jsonrpc": "*" }));
  await writeFile(world.path(file), text);
  return world;
}

async function master(port = 0): Promise<{ world: World; running: Running; url: string }> {
  const world = await World.make(config(port));
  const running = await world.start();
  const url = /(http:\/\/127\.0\.0\.1:\d+)\/rpc/.exec(running.out)?.[1] ?? "";
  return { world, running, url };
}

async function add(url: string, token: string, revision: string): Promise<void> {
  const answer = await fetch(`${url}/rpc`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "changes.add", params: { repository: "r", revision } }),
  });
  const { error } = (await answer.json()) as { error?: { message: string } };
  if (error) throw new Error(error.message);
}

const heard = async (world: World) =>
  (await readFile(world.path("heard.txt"), "utf8").catch(() => "")).trim().split("\n");

async function tokenOf(world: World): Promise<string> {
  const { value } = await world.json("token", "add", "tester", "--scope", "control");
  return value.token;
}

test("it runs where there is no configuration, and misses nothing over restarts of either side", async () => {
  const first = await master();
  await using world = first.world;
  await using listener = await listening("tell-me.ts", tellMe);
  const token = await tokenOf(world);
  const args = ["listen", "./tell-me.ts", "--master", first.url];
  let running = listener.spawn(args);
  await running.printed("Ctrl-C stops it.");
  await add(first.url, token, "r0");
  await until(async () => (await heard(listener)).includes("r0"), "the first");
  await running.signal("SIGKILL");
  await add(first.url, token, "r1");
  running = listener.spawn(args);
  await until(async () => (await heard(listener)).includes("r1"), "what came meanwhile");
  await first.running.signal("SIGTERM");
  await world.config(config(Number(new URL(first.url).port)));
  await world.start();
  await add(first.url, token, "r2");
  await until(async () => (await heard(listener)).includes("r2"), "what came after the restart");
  const lines = await heard(listener);
  assert.equal(
    lines.filter((line, i) => lines.indexOf(line) === i),
    ["r0", "r1", "r2"],
  );
  const { code } = await running.signal("SIGINT");
  assert.is(code, 0);
  assert.match(await readFile(listener.path("tell-me.cursor"), "utf8"), '"position"');
});

test("an entry of a configuration runs too, asks the master what it wants to know, and has its place there by name", async () => {
  const { world: home, url } = await master();
  await using world = home;
  await using listener = await listening("entry.ts", entry);
  const token = await tokenOf(world);
  const running = listener.adopt(
    listener.spawn(["listen", "entry.ts", "--master", url, "--name", "mine"], { BELFRY_TOKEN: token }),
  );
  await running.printed('at the master as "mine"');
  await add(url, token, "r0");
  await until(async () => (await heard(listener)).includes("mine r0"), "the event");
  assert.is((await running.signal("SIGTERM")).code, 0);
});

test("beside a master it needs no address, and says with --json what it does", async () => {
  const { world: home, url } = await master();
  await using world = home;
  await writeFile(
    world.path("bad.ts"),
    "export default { attempts: 1, types: ['change.added'], async handle() { throw new Error('no'); } };",
  );
  const running = world.spawn(["listen", "bad.ts", "--json"]);
  await running.printed('"started"');
  await add(url, await tokenOf(world), "r0");
  await running.printed('"parked"');
  const { out } = await running.signal("SIGINT");
  const reports = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(
    reports.map(({ kind, error }) => [kind, error]),
    [
      ["started", undefined],
      ["parked", "no"],
    ],
  );
});

test("what cannot be used is refused with words", async () => {
  await using world = await listening("tell-me.ts", tellMe);
  await writeFile(world.path("none.ts"), "export default 7;");
  await writeFile(world.path("broken.ts"), "export default {");
  const refusals: [string[], string][] = [
    [["none.ts"], "BELFRY_JSONRPC_NO_LISTENER"],
    [["broken.ts"], "BELFRY_JSONRPC_LISTENER_UNREADABLE"],
    [["missing.ts"], "BELFRY_JSONRPC_LISTENER_UNREADABLE"],
    [["tell-me.ts", "--from", "yesterday"], "BELFRY_JSONRPC_LISTEN_USAGE"],
    [["tell-me.ts", "--name", "a", "--cursor-file", "b"], "BELFRY_JSONRPC_LISTEN_USAGE"],
    [["tell-me.ts", "--master", "ftp://example.org"], "BELFRY_JSONRPC_ADDRESS"],
  ];
  for (const [args, code] of refusals) {
    const { code: exit, value } = await world.json("listen", "--master", "http://127.0.0.1:1", ...args);
    assert.equal([exit, value.error.code], [4, code]);
  }
});

test("only packages that are named there and say so add a command, and one that is broken does no harm", async () => {
  await using world = await World.make();
  const unknown = await world.run("listen", "x.ts");
  assert.is(unknown.code, 2);
  assert.not.match((await world.run("help")).out, /\blisten\b/);
  await writeFile(
    world.path("package.json"),
    manifest({ "@belfry/jsonrpc": "*", "@belfry/http": "*", "not-installed": "*" }),
  );
  assert.match((await world.run("help")).out, /\blisten\b/);
  await writeFile(world.path("package.json"), "{");
  assert.is((await world.run("help")).code, 0);
});

test.run();
