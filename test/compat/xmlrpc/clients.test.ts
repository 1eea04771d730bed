import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { farm, xmlWorld } from "./world.ts";

const test = suite("XML-RPC with clients of others");

/** What a Python program prints as JSON. */
async function python(url: string, program: string): Promise<any> {
  const whole = `
import json, sys, xmlrpc.client as x
url = sys.argv[1]
s = x.ServerProxy(url, allow_none=True)
def fault(f, *args):
    try: return f(*args)
    except x.Fault as e: return [e.faultCode, e.faultString]
    except x.ProtocolError as e: return e.errcode
${program}`;
  const { stdout } = await promisify(execFile)("python3", ["-c", whole, url], { timeout: 30_000 });
  return JSON.parse(stdout);
}

interface NpmClient {
  methodCall(name: string, params: unknown[], callback: (error: Error | null, value: unknown) => void): void;
}

// The package has no types; it is a dependency of @belfry/xmlrpc, which never uses its client.
const { createClient } = createRequire(import.meta.url)("xmlrpc") as {
  createClient(options: { url: string; headers?: Record<string, string> }): NpmClient;
};

const npm = (client: NpmClient, name: string, ...params: unknown[]) =>
  new Promise<any>((resolve, reject) => {
    client.methodCall(name, params, (error, value) => (error ? reject(error) : resolve(value)));
  });

test("Python's client reads the old methods and the new", async () => {
  await using world = await farm();
  await world.build("runtests", { checkedOut: "abc" }, "main");
  await world.build("runtests", { result: "failure" });
  const told = await python(
    `${world.url}/xmlrpc`,
    `print(json.dumps({
      "builders": s.getAllBuilders(),
      "last": s.getLastBuilds("runtests", 5),
      "results": s.getLastBuildResults("runtests"),
      "interval": s.getAllBuildsInInterval(0, 2**31 - 1),
      "build": s.getBuild("runtests", -1),
      "listed": s.builds.list({"builder": "runtests", "limit": 5}),
      "help": s.system.methodHelp("builds.list"),
      "methods": s.system.listMethods(),
      "unknown": fault(s.getBuild, "runtests", 99),
      "missing": fault(s.builds.get, {"build": 99}),
      "refused": fault(s.builds.stop, {"build": 1}),
    }))`,
  );
  assert.equal(told.builders, ["zebra", "runtests", "covert"]);
  assert.equal(
    told.last.map((row: unknown[]) => [row[1], row[4], row[5], row[6], row[8]]),
    [
      [1, "main", "abc", "success", []],
      [2, "", "", "failure", [["check", "failed"]]],
    ],
  );
  assert.equal([told.results, told.interval.length, told.interval[0].length], ["failure", 2, 7]);
  assert.equal([told.build.results, told.build.full_error.check.startsWith("test 7")], [2, true]);
  assert.equal(
    told.listed.items.map(({ number }: { number: number }) => number),
    [2, 1],
  );
  assert.match(told.help, "Builds, newest first");
  assert.ok(told.methods.includes("builds.list") && told.methods.includes("getBuild"));
  assert.equal(told.unknown, [8002, "error"]);
  assert.match(told.missing[1], /^BELFRY_NOT_FOUND: /);
  assert.match(told.refused[1], /^BELFRY_FORBIDDEN: /);
});

test("Python's values go there and back, and MultiCall works", async () => {
  await using world = await xmlWorld({ nil: true, i8: true });
  const told = await python(
    `${world.url}/xmlrpc`,
    `import datetime
values = [0, -5, 2**31 - 1, -2**31, 1.5, 1e16, 1e-9, True, "", " é😀 <&>]]> \\n\\t", [], [1, [2]], {}, {"a": {"b": None}}, None]
multi = x.MultiCall(s)
multi.test.add(1, 2)
multi.test.echo("x")
multi.test.missing()
results = multi()
try: third = results[2]
except x.Fault as e: third = e.faultCode
print(json.dumps({
  "same": all(s.test.echo({"value": v}) == v and type(s.test.echo({"value": v})) in (type(v), int, float) for v in values),
  "date": s.test.echo({"value": datetime.datetime(1970, 1, 1, 0, 0, 1)}),
  "bytes": s.test.echo({"value": x.Binary("é".encode())}),
  "later": s.test.wide()["later"],
  "none": s.test.wide()["none"],
  "multi": [results[0], results[1], third],
}))`,
  );
  assert.equal(told, {
    same: true,
    date: 1_000,
    bytes: "é",
    later: 1_795_416_278_119,
    none: null,
    multi: [3, "x", -32500],
  });
});

test("bbwatcher, the one client of old, sees finished builds while another runs", async () => {
  await using world = await farm();
  for (const result of ["success", "failure"]) await world.build("runtests", { result, checkedOut: 7 });
  await world.begin("runtests");
  // As its model and its timeline read them.
  const told = await python(
    `${world.url}/xmlrpc`,
    `import datetime
builds = []
for i in range(1, 6):
    try: builds.append(s.getBuild("runtests", -i))
    except Exception: break
for b in builds:
    for key in ("builder_name", "reason", "slavename", "results", "text", "start", "end", "steps", "branch", "revision", "number"): b[key]
    datetime.datetime.fromtimestamp(b["start"]); datetime.datetime.fromtimestamp(b["end"])
timeline = [["r" + rev if rev else "", results == "success", end > 0] for builder, num, end, branch, rev, results, text in s.getAllBuildsInInterval(0, 2000000000)]
print(json.dumps({"status": [b["results"] and "failed" or "successful" for b in builds], "timeline": timeline}))`,
  );
  assert.equal(told, {
    status: ["failed", "successful"],
    timeline: [
      ["r7", true, true],
      ["r7", false, true],
    ],
  });
});

test("npm's xmlrpc client reads the old methods and the new", async () => {
  await using world = await farm();
  await world.build("runtests", { result: "failure" });
  const client = createClient({ url: `${world.url}/xmlrpc` });
  assert.equal(await npm(client, "getAllBuilders"), ["zebra", "runtests", "covert"]);
  const [[name, number, , , , , result, text, reasons]] = await npm(client, "getLastBuilds", "runtests", 1);
  assert.equal([name, number, result, text, reasons], ["runtests", 1, "failure", ["check"], [["check", "failed"]]]);
  assert.is((await npm(client, "builds.list", { limit: 5 })).items[0].number, 1);
  assert.match(await npm(client, "system.methodHelp", "builds.list"), "Builds, newest first");
  let error: (Error & { faultCode?: number; faultString?: string }) | undefined;
  await npm(client, "getLastBuilds", "nobody", 1).catch((caught) => {
    error = caught;
  });
  assert.equal([error?.faultCode, error?.faultString], [8002, "error"]);
  const { token } = await world.kit.call("tokens.add", { name: "t", scopes: ["read", "control"] });
  const allowed = createClient({ url: `${world.url}/xmlrpc`, headers: { Authorization: `Bearer ${token}` } });
  assert.type((await npm(allowed, "builds.rebuild", { builder: "runtests", number: 1 })).buildset, "number");
});

test.run();
