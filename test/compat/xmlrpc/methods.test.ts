import { suite } from "uvu";
import * as assert from "uvu/assert";
import { exampleApi, farm, say, valueOf, xmlWorld } from "./world.ts";

const test = suite("methods by XML-RPC");

/** A value with the text that came as base64. */
function readable(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return value.toString("utf8");
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, readable(member)]));
}

test("parameters go by position, as one struct, or not at all", async () => {
  await using world = await xmlWorld();
  assert.is(await valueOf(world, "test.add", 40, 2), 42);
  assert.is(await valueOf(world, "test.add", 40), 41);
  assert.is(await valueOf(world, "test.add", { a: 40, b: 2 }), 42);
  assert.is(await valueOf(world, "test.add", { b: 2, a: 40 }), 42);
  assert.is(await valueOf(world, "test.nothing"), "");
  assert.equal(await valueOf(world, "test.echo", { value: { a: [1] } }), { a: [1] });
});

test("by position nil stands for nothing, unless the parameter may be null", async () => {
  await using world = await xmlWorld();
  assert.equal(await valueOf(world, "test.take", null, "main"), { branch: "main" });
  await valueOf(world, "test.take", "x", null);
  await valueOf(world, "test.take", { branch: null });
  assert.equal(world.api.calls.map(({ params }) => params).slice(1), [{ name: "x", branch: null }, { branch: null }]);
});

test("dates go in as milliseconds, and base64 as the text that it is", async () => {
  await using world = await xmlWorld();
  await valueOf(world, "test.echo", { value: [new Date(1_000), Buffer.from("\u001b[1mé")] });
  assert.equal(world.api.calls[0]?.params, { value: [1_000, "\u001b[1mé"] });
  const { fault } = await say(world, "test.echo", [Buffer.from([0xff])]);
  assert.is(fault?.code, -32602);
});

test("parameters that do not fit are refused with what would", async () => {
  await using world = await xmlWorld();
  const { fault } = await say(world, "test.add", [1, 2, 3]);
  assert.is(fault?.code, -32602);
  assert.match(fault?.text ?? "", "it takes 2: a, b.");
  for (const params of [[], ["x"], [{ a: 1, c: 2 }], [{ a: 1.5 }]])
    assert.match(
      (await say(world, "test.add", params)).fault?.text ?? "",
      /^BELFRY_PARAMS_INVALID: /,
      JSON.stringify(params),
    );
});

test("every reading method of a real master answers as a call within it does", async () => {
  await using world = await farm({ nil: true, base64: true });
  await world.build("runtests", { result: "failure", checkedOut: "abc" });
  const caller = world.kit.master.api.anonymous();
  let compared = 0;
  for (const method of world.kit.master.api.methods()) {
    if (method.permission !== "read" || method.example === undefined) continue;
    if (["status.now", "events.since"].includes(method.name)) continue;
    const [direct, said] = await Promise.all([
      world.kit.master.api.call(method.name, method.example, caller).catch((error) => error),
      say(world, method.name, [method.example]),
    ]);
    if (direct instanceof Error) {
      assert.match(said.fault?.text ?? "", new RegExp(`^${(direct as { code?: string }).code}: `), method.name);
      continue;
    }
    assert.equal(readable(said.value), direct, method.name);
    compared += 1;
  }
  assert.ok(compared >= 8, `${compared} methods were compared`);
});

test("a builder's builds, by position and by name, and with a token to control", async () => {
  await using world = await farm();
  await world.build("runtests");
  const named = await valueOf(world, "builds.list", { builder: "runtests", limit: 5 });
  assert.equal(await valueOf(world, "builds.list", "runtests"), named);
  assert.is(named.items[0].builder, "runtests");
  assert.match(
    (await say(world, "builds.rebuild", [{ builder: "runtests", number: 1 }])).fault?.text ?? "",
    "BELFRY_FORBIDDEN",
  );
  const { token } = await world.kit.call("tokens.add", { name: "t", scopes: ["read", "control"] });
  const { value } = await say(world, "builds.rebuild", [{ builder: "runtests", number: 1 }], {
    authorization: `Bearer ${token}`,
  });
  assert.is((await world.kit.buildsetEnd(value.buildset)).result, "success");
});

test("system.listMethods has the API, the old methods and its own, in order", async () => {
  await using world = await farm();
  const names = await valueOf(world, "system.listMethods");
  assert.equal(names, [...new Set(names)].sort());
  const api = world.kit.master.api.methods().map(({ name }) => name);
  const old =
    "getAllBuilders getAllBuildsInInterval getAllLastBuilds getBuild getLastBuildResults getLastBuilds getLastBuildsAllBuilders getStatus";
  const system = "system.getCapabilities system.listMethods system.methodHelp system.methodSignature system.multicall";
  assert.equal(names, [...api, ...old.split(" "), ...system.split(" ")].sort());
});

test("every method has words and signatures of known types", async () => {
  await using world = await farm();
  const types = new Set(["int", "double", "boolean", "string", "array", "struct"]);
  for (const name of await valueOf(world, "system.listMethods")) {
    const help = await valueOf(world, "system.methodHelp", name);
    assert.ok(typeof help === "string" && help.length > 10, name);
    const signatures = await valueOf(world, "system.methodSignature", name);
    assert.ok(Array.isArray(signatures) && signatures.length > 0, name);
    for (const signature of signatures) {
      assert.ok(signature.length > 0);
      for (const type of signature) assert.ok(types.has(type), `${name}: ${signature}`);
    }
  }
  assert.equal(await valueOf(world, "system.methodSignature", "getLastBuilds"), [["array", "string", "int"]]);
  assert.match(
    await valueOf(world, "system.methodHelp", "builds.list"),
    /Builds, newest first[\s\S]*\n {2}builder \(string\)/,
  );
});

test("signatures and help are made from the schemas", async () => {
  await using world = await xmlWorld();
  assert.equal(await valueOf(world, "system.methodSignature", "test.add"), [
    ["struct", "struct"],
    ["struct", "int", "int"],
  ]);
  assert.equal(await valueOf(world, "system.methodSignature", "test.take"), [
    ["struct", "struct"],
    ["struct", "string", "string"],
  ]);
  assert.equal(await valueOf(world, "system.methodSignature", "test.nothing"), [["struct"]]);
  assert.match(await valueOf(world, "system.methodHelp", "test.add"), "  a (int, required)\n  b (int)");
  for (const name of ["system.methodSignature", "system.methodHelp"])
    assert.is((await say(world, name, ["no.such"])).fault?.code, -32601, name);
});

test("system.getCapabilities names the specifications", async () => {
  await using world = await xmlWorld();
  const capabilities = await valueOf(world, "system.getCapabilities");
  assert.equal(capabilities.xmlrpc, { specUrl: "http://www.xmlrpc.com/spec", specVersion: 1 });
  assert.is(capabilities.faults_interop.specVersion, 20_010_516);
  assert.ok("introspect" in capabilities && "system.multicall" in capabilities);
});

test("who may not read is told of no method", async () => {
  const api = exampleApi();
  api.anonymousScopes = [];
  await using world = await xmlWorld({}, api);
  for (const [name, ...params] of [
    ["system.listMethods"],
    ["system.methodHelp", "test.add"],
    ["system.methodSignature", "test.add"],
    ["system.getCapabilities"],
  ] as [string, ...string[]][])
    assert.match((await say(world, name, params)).fault?.text ?? "", /^BELFRY_XMLRPC_READ_NEEDED: /, name);
  assert.is((await say(world, "system.listMethods", [], { authorization: "Bearer belfry_right" })).fault, undefined);
});

test("system.multicall answers each call by its result in an array or by its fault, in order", async () => {
  await using world = await xmlWorld();
  const answers = await valueOf(world, "system.multicall", [
    { methodName: "test.add", params: [1, 2] },
    { methodName: "test.missing", params: [] },
    { methodName: "test.echo", params: [[1, "<&>", { a: [] }]] },
    { methodName: "test.nothing" },
    { methodName: "system.multicall", params: [[]] },
    { methodName: "getFoo", params: [] },
    { methodName: "test.unsendable", params: [] },
    { methodName: "test.spent", params: [] },
    { methodName: 5, params: [] },
    { methodName: "test.echo", params: {} },
    "nonsense",
    { methodName: "test.add", params: [3, 4] },
  ]);
  assert.equal(
    answers.map((answer: any) => (Array.isArray(answer) ? answer : answer.faultCode)),
    [[3], -32500, [[1, "<&>", { a: [] }]], [""], -32602, 8001, -32603, -32500, -32602, -32602, -32602, [7]],
  );
  assert.equal(await valueOf(world, "system.multicall", []), []);
  for (const params of [[], [1], [[], []], [{ methodName: "test.add" }]])
    assert.is((await say(world, "system.multicall", params)).fault?.code, -32602, JSON.stringify(params));
});

test("a system.multicall of too many calls runs none, and one with too long answers not the rest", async () => {
  await using world = await xmlWorld({ multicallLimit: 3, answerLimit: 15_000 });
  const calls = (count: number) => Array.from({ length: count }, () => ({ methodName: "test.large", params: [] }));
  const { fault } = await say(world, "system.multicall", [calls(4)]);
  assert.is(fault?.code, -32600);
  assert.equal(world.api.calls, []);
  const answers = await valueOf(world, "system.multicall", calls(3));
  assert.equal(
    answers.map((answer: any) => answer.faultCode ?? answer[0].length),
    [10_000, 10_000, -32500],
  );
  assert.is(world.api.calls.length, 2);
});

test("old methods can be part of a system.multicall", async () => {
  await using world = await farm();
  await world.build("runtests");
  const answers = await valueOf(world, "system.multicall", [
    { methodName: "getAllBuilders", params: [] },
    { methodName: "getLastBuildResults", params: ["runtests"] },
    { methodName: "getLastBuildResults", params: ["nobody"] },
  ]);
  assert.equal(answers, [[["zebra", "runtests", "covert"]], ["success"], { faultCode: 8002, faultString: "error" }]);
});

test.run();
