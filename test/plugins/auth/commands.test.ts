// time limit: 240 s
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { SocketClient } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hashPassword, verifyPassword } from "../../../plugins/auth/src/password.ts";
import { configText, programArgs, type Running, World } from "../../core/cli/program.ts";
import { CHEAP, Reader } from "./world.ts";

const test = suite("commands, and processes of their own");

async function config(
  more = 'access: { anonymous: "read", visible: ({ builder }) => builder !== "bad" },',
): Promise<string> {
  const password = await hashPassword("ada's password", CHEAP);
  return configText({
    head: 'import { auth } from "@belfry/auth"; import { web } from "@belfry/web";',
    services: `http({ port: 0 }), jsonrpc(), web(), auth({
      users: [{ name: "ada", password: "${password}", groups: ["staff"] }],
      rules: [{ name: "staff", groups: ["staff"], may: "control", builders: ["go*", "bad"] }, { users: ["root"], may: "admin" }],
    })`,
    more,
  });
}

const urlIn = ({ out }: Running) => /http:\/\/127\.0\.0\.1:\d+/.exec(out)?.[0] ?? "";
const keyIn = (text: string) => /\/login\/link\?key=([\w-]{43})/.exec(text)?.[1] ?? "";

test("belfry may answers from the configuration, with the rule, and 0 or 1", async () => {
  await using world = await World.make(await config());
  const asked: [args: string[], code: number, says: string | RegExp][] = [
    [["ada", "builds.stop", "good"], 0, 'yes: staff gives control to the group "staff"\n'],
    [["ada", "builds.stop", "slow"], 1, "no: he may see this builder, but no rule lets him control it\n"],
    [["ada", "builders.get", "bad"], 1, "no: access.visible of the configuration hides this builder from him\n"],
    [["ada", "tokens.list"], 1, "no: no rule gives him admin\n"],
    [["bob", "builds.stop"], 1, "no: no rule gives him control\n"],
    [["bob", "builds.stop", "good", "--group", "x", "staff"], 0, 'yes: staff gives control to the group "staff"\n'],
    [["root", "links.add"], 0, 'yes: rule 2 gives admin to the user "root"\n'],
    [["anonymous", "builds.list", "good"], 0, "yes: access.anonymous of the configuration lets everybody read\n"],
    [["administrator", "master.stop"], 0, /^yes: /],
  ];
  for (const [args, code, says] of asked) {
    const ended = await world.run("may", ...args);
    assert.is(ended.code, code, `${args}: ${ended.out}${ended.err}`);
    assert.match(ended.out, says);
  }
  assert.equal(await world.json("may", "ada", "builds.stop", "good"), {
    code: 0,
    value: {
      user: "ada",
      method: "builds.stop",
      builder: "good",
      may: true,
      why: 'staff gives control to the group "staff"',
      rule: "staff",
    },
  });
  const unknown = await world.run("may", "ada", "builds.explode");
  assert.is(unknown.code, 4);
  assert.match(unknown.err, 'There is no method "builds.explode".');
  assert.match((await world.run("may", "ada", "builds.stop", "nothing")).err, 'There is no builder "nothing".');
});

test("belfry password makes a hash of what it reads, without a configuration, and shows it nowhere else", async () => {
  await using world = await World.make();
  const run = (input: string) =>
    new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
      const child = spawn(process.execPath, [...programArgs, "password"], { cwd: world.folder, stdio: "pipe" });
      const said = { out: "", err: "" };
      child.stdout.on("data", (text) => {
        said.out += text;
      });
      child.stderr.on("data", (text) => {
        said.err += text;
      });
      child.on("close", (code) => resolve({ code, ...said }));
      child.stdin.end(input);
    });
  await writeFile(world.path("package.json"), '{ "type": "module", "dependencies": { "@belfry/auth": "*" } }');
  const { code, out, err } = await run("correct horse battery\nmore\n");
  assert.is(code, 0, err);
  assert.ok(await verifyPassword("correct horse battery", out.trim()));
  assert.not.match(out + err, "horse");
  const short = await run("short\n");
  assert.equal([short.code, short.out], [4, ""]);
  assert.match(short.err, "It needs 8 to 1000 characters.");
});

test("the start tells a link, belfry login-link another, and each signs in once", async () => {
  await using world = await World.make(await config());
  const master = await world.start();
  const first = keyIn(master.out);
  assert.match(master.out, `${urlIn(master)}/login/link?key=`);
  const { code, out, err } = await world.run("login-link");
  assert.is(code, 0, err);
  assert.match(out, new RegExp(`^${urlIn(master)}/login/link\\?key=[\\w-]{43}\n$`));
  for (const key of [first, keyIn(out)]) {
    const reader = new Reader(urlIn(master));
    assert.is((await reader.post("/auth/link", { key })).headers.location, "/");
    assert.match((await reader.get("/")).body, ">administrator</b>");
    assert.match((await reader.post("/auth/link", { key })).headers.location as string, "LINK_USED");
  }
  const reader = new Reader(urlIn(master));
  const { value } = await world.json("login-link", "--user", "ada");
  assert.is(value.user, "ada");
  await reader.post("/auth/link", { key: keyIn(value.url) });
  assert.match((await reader.get("/")).body, ">ada</b>");
  assert.match((await world.run("login-link", "--user", "mallory")).err, 'There is no user "mallory".');
});

test("beside an engine's process: sessions work, control is passed on with its limits, and both outlive a restart", async () => {
  await using world = await World.make(await config());
  const engine = await world.start("--roles", "engine");
  const pages = await world.start("--roles", "api");
  const reader = new Reader(urlIn(pages));
  assert.is((await reader.signIn("ada", "ada's password")).headers.location, "/");
  const called = async (method: string, params: object) => (await reader.call(method, params)).json;
  assert.is((await called("builders.pause", { builder: "good" })).error, undefined);
  assert.is((await called("builders.pause", { builder: "slow" })).error.data.code, "BELFRY_FORBIDDEN");
  assert.is((await called("builders.pause", { builder: "bad" })).error.data.code, "BELFRY_NOT_FOUND");
  assert.is((await called("config.reload", {})).error.data.code, "BELFRY_FORBIDDEN");
  const client = await SocketClient.connect(world.path(".belfry/master.sock"));
  const { items } = (await client.call("audit.list", { caller: "ada" })) as { items: Record<string, string>[] };
  client.close();
  assert.ok(
    items.some(
      ({ method, outcome, kind }: Record<string, string>) =>
        `${method} ${outcome} ${kind}` === "builders.pause ok session",
    ),
  );
  assert.match((await world.run("login-link")).out, `${urlIn(pages)}/login/link?key=`);
  await pages.signal("SIGTERM");
  const again = await world.start("--roles", "api");
  const same = new Reader(urlIn(again));
  for (const [name, value] of reader.cookies) same.cookies.set(name.replace(/\d+$/, new URL(same.url).port), value);
  assert.match((await same.get("/")).body, ">ada</b>");
  await engine.signal("SIGTERM");
  assert.match((await same.get("/")).body, ">ada</b>", "also while the engine is away");
  const away = await new Reader(urlIn(again)).signIn("ada", "ada's password");
  assert.is(away.headers.location, "/login?fault=BELFRY_AUTH_AWAY", away.body);
  assert.match((await same.get("/login?fault=BELFRY_AUTH_AWAY")).body, "keeps sessions does not answer");
});

test.run();
