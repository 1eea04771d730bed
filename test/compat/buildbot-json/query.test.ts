import { suite } from "uvu";
import * as assert from "uvu/assert";
import { jsonWorld, ODD, part } from "./world.ts";

const test = suite("Buildbot's /json, the arguments");

test("select gives exactly the named parts, under the names of their paths", async () => {
  await using world = await jsonWorld();
  await world.build("runtests");
  await world.build("runtests");
  const builder = await world.json("/json/builders/runtests");
  const build = await world.json("/json/builders/runtests/builds/2");
  assert.equal(await world.json("/json?select=builders/runtests&select=project/"), {
    builders: { runtests: builder },
    project: await world.json("/json/project"),
  });
  assert.equal(await world.json("/json/builders/runtests/builds?select=-1&select=/1"), {
    "-1": build,
    "1": await world.json("/json/builders/runtests/builds/1"),
  });
  assert.equal(await world.json("/json/builders/runtests?select=builds/-1/source_stamp"), {
    builds: { "-1": { source_stamp: build.sourceStamp } },
  });
  assert.equal(await world.json("/json/builders/runtests?select=pendingBuilds"), { pendingBuilds: [] });
});

test("an empty select adds the node's own fields, and deeper ones are kept", async () => {
  await using world = await jsonWorld();
  await world.build("runtests");
  const builder = await world.json("/json/builders/runtests");
  const build = await world.json("/json/builders/runtests/builds/1");
  assert.equal(await world.json("/json/builders/runtests?select="), builder);
  const want = { ...builder, builds: { "-1": build, "1": null } };
  for (const query of ["select=&select=builds&select=builds/-1", "select=builds/-1&select=&select=builds"])
    assert.equal(await world.json(`/json/builders/runtests?${query}`), want, query);
});

test("what does not exist is not available, at its place", async () => {
  await using world = await jsonWorld();
  const missing = { error: "Not available" };
  assert.equal(await world.json("/json/builders?select=nobody&select=runtests/builds/7&select=a/b/c&select=help"), {
    nobody: missing,
    runtests: { builds: { 7: missing } },
    a: { b: { c: missing } },
    help: missing,
  });
  const proto = await world.get("/json?select=__proto__/x&select=constructor&select=builders/__proto__");
  assert.is(
    proto.body,
    '{"__proto__":{"x":{"error":"Not available"}},"builders":{"__proto__":{"error":"Not available"}},"constructor":{"error":"Not available"}}',
  );
  assert.is(({} as { x?: unknown }).x, undefined);
});

test("a selected name is decoded twice, so that a slash can be in it", async () => {
  await using world = await jsonWorld();
  const builder = await world.json(`/json/builders/${part(ODD)}`);
  assert.equal(await world.json(`/json/builders?select=${part(part(ODD))}`), { [ODD]: builder });
  assert.equal(await world.json("/json?select=builders%2Frun%74ests&select=builders/never+"), {
    builders: { runtests: await world.json("/json/builders/runtests"), "never ": { error: "Not available" } },
  });
});

test("filter drops what is empty, and 0 with it, but keeps an array whole that has something", async () => {
  await using world = await jsonWorld();
  await world.build("broken");
  await world.build("runtests");
  const good = await world.json("/json/builders/runtests/builds/1?filter=1");
  assert.equal([good.results, good.currentStep, good.eta, good.blame, good.steps[0].results], Array(5).fill(undefined));
  assert.equal(good.text, ["build", "successful"]);
  const bad = await world.json("/json/builders/broken/builds/1?filter=true");
  assert.equal([bad.results, bad.steps[1].results, bad.steps[0].step_number], [2, [2, ["unit tests"]], undefined]);
  assert.is((await world.get("/json/builders/never/pendingBuilds?filter=1")).body, "null");
  assert.is((await world.get("/json/builders/never/builds?filter=1")).body, "{}");
});

test("keys are sorted and nothing is blank, unless compact is off", async () => {
  await using world = await jsonWorld();
  const { body } = await world.get("/json/project");
  assert.is(
    body,
    `{"buildbotURL":"${world.url}/","projectName":"World","projectURL":null,"title":"World","titleURL":null}`,
  );
  assert.is(
    (await world.get("/json/project?compact=0&filter=1")).body,
    (await world.get("/json/project?as_text=1")).body,
  );
  assert.match((await world.get("/json/project?compact=FALSE")).body, '{\n  "buildbotURL": "http');
  assert.is((await world.get("/json/project?compact=no&filter=2")).body, body);
});

test("as_text is for people: not compact, filtered, not to be saved", async () => {
  await using world = await jsonWorld();
  const text = await world.get("/json/builders/never?as_text=1");
  assert.match(text.body, /^\{\n {2}"basedir": "never",\n/);
  assert.not.match(text.body, "category");
  assert.is(text.headers["content-disposition"], undefined);
  assert.match((await world.get("/json/builders/never?as_text=1&filter=0")).body, '"category": null');
  assert.is(
    (await world.get("/json/builders/never?as_text=1&compact=1&filter=0")).body,
    (await world.get("/json/builders/never")).body,
  );
});

test("callback makes it a call, if it is a name", async () => {
  await using world = await jsonWorld();
  const { body } = await world.get("/json/project");
  for (const name of ["f", "$", "_x", "a.b.c", "jQuery1.$x_9"]) {
    const answer = await world.get(`/json/project?callback=${encodeURIComponent(name)}`);
    assert.is(answer.body, `${name}(${body});`);
    assert.is(answer.headers["content-type"], "application/json");
    assert.is(answer.headers["x-content-type-options"], undefined);
  }
});

test("no callback is anything but a name", async () => {
  await using world = await jsonWorld();
  const { body } = await world.get("/json/project");
  for (const name of [
    "",
    "alert(1)",
    "1a",
    ".a",
    "a;b",
    "a b",
    "a\n",
    "a\n//",
    "<script>",
    "a[0]",
    "a-b",
    "é",
    "a\u2028",
    "%61(",
    "x".repeat(201),
    "a/**/",
  ]) {
    const answer = await world.get(`/json/project?callback=${encodeURIComponent(name)}`);
    assert.is(answer.body, body, name);
    assert.is(answer.headers["x-content-type-options"], "nosniff", name);
  }
});

test("a call stays one line of a script whatever the text has in it", async () => {
  await using world = await jsonWorld();
  await world.kit.addChange({ comments: "a\u2028b\u2029</script>\n" });
  await world.kit.event("build.finished");
  const { body } = await world.get("/json/builders/runtests/builds/1/source_stamp/changes/1?callback=f");
  assert.match(body, /^f\([^\u2028\u2029\n]+\);$/);
  let told: any;
  new Function("f", body)((value: unknown) => {
    told = value;
  });
  assert.is(told.comments, "a\u2028b\u2029</script>\n");
});

test.run();
