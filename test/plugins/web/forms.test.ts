import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { http } from "@belfry/http";
import { force } from "@belfry/schedulers";
import { fakeWorker, rejects, step, testMaster, until } from "@belfry/testkit";
import { web } from "@belfry/web";
import type { BelfryError, Caller } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { segment } from "../../../plugins/web/src/urls.ts";
import { httpUrl } from "../../bench/http-url.ts";
import { ask } from "../http/world.ts";
import { basic, FORM, formKeyOf, ODD, webWorld } from "./world.ts";

const test = suite("forms");

test("who may not sees no buttons, and his forms are refused", async () => {
  await using world = await webWorld();
  await world.build("plain", "failure");
  for (const path of ["/builders/plain", "/builders/plain/builds/1", "/buildsets/1", "/schedulers"])
    assert.not.match((await world.get(path)).body, 'method="post"', path);
  const answer = await ask(`${world.url}/do/rebuild`, {
    method: "POST",
    body: "builder=plain&number=1",
    headers: FORM,
  });
  assert.is(answer.status, 403);
  assert.match(answer.body, "BELFRY_WEB_FORM_REFUSED");
});

test("a build is stopped, rebuilt and cancelled by forms that need no script", async () => {
  await using world = await webWorld();
  const headers = await world.hand();
  const set = await world.begin();
  const stopped = await world.send("/builders/slow/builds/1", "stop", { reason: ODD }, headers);
  assert.equal([stopped.status, stopped.headers.location], [303, "/builders/slow/builds/1"]);
  assert.is((await world.kit.buildsetEnd(set)).result, "cancelled");
  assert.match((await world.kit.call("builds.get", { builder: "slow", number: 1 })).stopReason, ODD);
  const late = await world.send("/builders/slow/builds/1", "rebuild", {}, headers);
  assert.equal([late.status, late.headers.location], [303, "/buildsets/2"]);
  await world.kit.event("build.started", ({ number }) => number === 2);
  const cancelled = await world.send("/requests/2", "cancel", { reason: "enough" }, headers);
  assert.equal([cancelled.status, cancelled.headers.location], [303, "/requests/2"]);
  assert.is((await world.kit.buildsetEnd(2)).result, "cancelled");
});

test("a build that takes its time to stop says at once that it is being stopped, and is not asked twice", async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const run = async () => {
    await gate;
    return { result: "success" as const };
  };
  const builders = [{ name: "deaf", workers: ["w"], steps: [step({ run })] }];
  const schedulers = [force({ name: "by hand", builders: ["deaf"] })];
  await using world = await webWorld({}, { builders, schedulers });
  using _open = { [Symbol.dispose]: () => release() };
  const headers = basic(await world.token("hand", { scopes: ["control"] }));
  const { buildset } = await world.kit.call("schedulers.force", { scheduler: "by hand", builders: ["deaf"] });
  await world.kit.event("step.started");
  const page = async () => (await world.get("/builders/deaf/builds/1", headers)).body;
  assert.match(await page(), "Stop this build");
  await world.send("/builders/deaf/builds/1", "stop", { reason: ODD }, headers);
  const stopping = await page();
  assert.match(stopping, /is being stopped: <bdi>stopped by hand: a\/b/);
  assert.not.match(stopping, "Stop this build");
  release();
  await world.kit.buildsetEnd(buildset);
  const ended = await page();
  assert.match(ended, /<dt>Stopped<\/dt><dd><bdi>stopped by hand: a\/b/);
  assert.not.match(ended, "is being stopped");
});

test("a builder is paused with a reason, and resumed", async () => {
  await using world = await webWorld();
  const headers = await world.hand();
  await world.send("/builders/plain", "pause", { reason: ODD }, headers);
  assert.is((await world.kit.call("builders.get", { builder: "plain" })).pausedReason, ODD);
  await world.send("/builders/plain", "resume", {}, headers);
  assert.is((await world.kit.call("builders.get", { builder: "plain" })).paused, false);
});

test("workers are paused with a reason, several at once, and resumed; the others go on", async () => {
  const workers = ["w", "x", ODD].map((name) => fakeWorker({ name }));
  await using world = await webWorld({}, { workers });
  const headers = await world.hand();
  const paused = async () =>
    (await world.kit.call("workers.list")).items
      .filter((one: { paused: boolean }) => one.paused)
      .map((one: { name: string; pausedReason: string }) => [one.name, one.pausedReason]);
  assert.not.match((await world.get("/workers")).body, "checkbox", "who may not sees no boxes");
  const none = await world.send("/workers", "pause-workers", {}, headers);
  assert.equal([none.status, /No worker is chosen/.test(none.body)], [400, true]);
  assert.match(none.body, '<a href="/workers">Back to where the form was</a>');
  const one = await world.send(`/workers/${segment(ODD)}`, "pause-workers", { reason: ODD }, headers);
  assert.equal([one.status, one.headers.location], [303, `/workers/${segment(ODD)}`]);
  assert.equal(await paused(), [[ODD, ODD]]);
  const { body } = await world.get("/workers", headers);
  const key = formKeyOf(body);
  const chosen = new URLSearchParams([
    ["_form", key],
    ["worker", "w"],
    ["worker", "x"],
    ["reason", "moving"],
  ]);
  const many = await ask(`${world.url}/do/pause-workers`, {
    method: "POST",
    body: chosen.toString(),
    headers: {
      ...FORM,
      origin: world.url,
      referer: `${world.url}/workers`,
      ...headers,
    },
  });
  assert.equal([many.status, many.headers.location], [303, "/workers"]);
  assert.is((await paused()).length, 3);
  const asked = await world.kit.call("schedulers.force", { scheduler: "by hand", builders: ["plain"] });
  await until(
    async () => /its workers are paused: .*w<.*moving/s.test((await world.get("/requests")).body),
    "the reason",
  );
  const { body: listed } = await world.get("/workers", headers);
  assert.match(listed, '<button formaction="/do/resume-workers">Resume those chosen</button>');
  assert.match(listed, /<summary>Resume all that are paused \(3\)…<\/summary>.*<bdi>w<\/bdi>, <bdi>x<\/bdi>/s);
  await world.send("/workers/w", "resume-workers", {}, headers);
  assert.is((await paused()).length, 2);
  await world.kit.buildsetEnd(asked.buildset);
});

test("a request that waits gets another priority", async () => {
  await using world = await webWorld();
  const headers = await world.hand();
  await world.kit.call("builders.pause", { builder: "plain" });
  await world.kit.call("schedulers.force", { scheduler: "by hand", builders: ["plain"] });
  assert.is((await world.send("/requests/1", "prioritize", { priority: "7" }, headers)).status, 303);
  assert.is((await world.kit.call("requests.get", { request: 1 })).priority, 7);
  for (const priority of ["", "1.5", "high", "99999999999", "2147483648"]) {
    const refused = await world.send("/requests/1", "prioritize", { priority }, headers);
    assert.is(refused.status, 400, priority);
    assert.match(refused.body, "A priority is a whole number from -2147483647 to 2147483647", priority);
  }
});

test("a scheduler is disabled and enabled", async () => {
  await using world = await webWorld();
  const headers = await world.hand();
  await world.send("/schedulers", "disable", { reason: "moving" }, headers);
  const first = async () =>
    (await world.kit.call("schedulers.list")).items.find(({ disabled }: { disabled: unknown }) => disabled !== null);
  const { name, disabled } = await first();
  assert.is(disabled.reason, "moving");
  await world.send("/schedulers", "enable", { scheduler: name }, headers);
  assert.is(await first(), undefined);
});

test("the form of a scheduler asks for its parameters, and what is wrong with them is told", async () => {
  await using world = await webWorld();
  const headers = await world.hand();
  const { body } = await world.get("/builders/plain", headers);
  for (const name of ["p.word", "p.times", "p.really", "p.colour", "p.many", "p.inner.note"])
    assert.match(body, `name="${name}"`);
  const fields = {
    scheduler: "asking",
    branch: "main",
    reason: ODD,
    "p.word": ODD,
    "p.times": "3",
    "p.really": "true",
    "p.colour": "7",
    "p.many": '"b"',
    "p.inner.note": "two\r\nlines",
  };
  const { status, headers: answer } = await world.send("/builders/plain", "force", fields, headers);
  assert.equal([status, answer.location], [303, "/buildsets/1"]);
  const { reason, properties } = await world.kit.call("buildsets.get", { buildset: 1 });
  assert.match(reason, ODD);
  assert.equal(
    Object.fromEntries(
      Object.entries(properties).filter(([name]) =>
        ["word", "times", "really", "colour", "many", "inner"].includes(name),
      ),
    ),
    { word: ODD, times: 3, really: true, colour: 7, many: ["b"], inner: { note: "two\nlines" } },
  );
  const wrong = await world.send("/builders/plain", "force", { ...fields, "p.times": "often" }, headers);
  assert.is(wrong.status, 400);
  assert.match(wrong.body, "times");
  const broken = await world.send("/builders/plain", "force", { scheduler: "by hand", properties: "{" }, headers);
  assert.equal([broken.status, /cannot be read as JSON/.test(broken.body)], [400, true]);
});

test("a wish that is refused is shown again as it was typed, with what is wrong at each field by the name that readers know", async () => {
  await using world = await webWorld();
  const headers = basic(await world.token("hand", { scopes: ["control"] }));
  const fields = {
    scheduler: "asking",
    branch: "dev",
    "p.word": "a\nb",
    "p.times": "often",
    "p.colour": "7",
    "p.many": '"b"',
  };
  const { status, body } = await world.send("/builders/plain", "force", { ...fields, "p.inner.note": ODD }, headers);
  assert.is(status, 400);
  const label = ODD.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
  assert.match(body, `<li><b><bdi>${label}</bdi></b>: <span dir="auto">expected a text of one line</span></li>`);
  assert.match(body, /<b><bdi>times<\/bdi><\/b>: <span dir="auto">expected a whole number/);
  assert.match(body, /name="branch" value="dev"/);
  assert.match(body, /name="p.times" value="often"[^>]* aria-invalid="true"/);
  assert.match(body, /<option value="7" selected>seven/);
  assert.match(body, /<option value="&quot;b&quot;" selected>b/);
  assert.match(body, /name="p.really" value="true"\/>/, "a box that was not ticked stays so");
  assert.match(body, /<textarea name="p.inner.note"[^>]*>a\/b &quot;c&quot;/);
  assert.not.match(body, "schedulers.list", "no word about the API");

  const key = /name="_form" value="([^"]*)"/.exec(body)?.[1] ?? "";
  const again = await ask(`${world.url}/do/force`, {
    method: "POST",
    body: new URLSearchParams({ _form: key, builder: "plain", ...fields, "p.word": "one", "p.times": "3" }).toString(),
    headers: { ...headers, "content-type": "application/x-www-form-urlencoded", origin: world.url },
  });
  assert.equal([again.status, again.headers.location], [303, "/buildsets/1"]);

  const list = await world.send("/builders/plain", "force", { scheduler: "by hand", properties: "[1]" }, headers);
  assert.is(list.status, 400);
  assert.match(list.body, "are no JSON object");
  const gone = await world.send("/builders/plain", "force", { scheduler: "nobody" }, headers);
  assert.is(gone.status >= 400 && !gone.body.includes('method="post"'), true, "there is no form to show again");
});

test("a file that is chosen in a form arrives with its name and its bytes; without one the field is empty", async () => {
  const builders = [{ name: "plain", workers: ["w"], steps: [step({ run: () => ({ result: "success" as const }) })] }];
  const parameters = [
    { type: "file" as const, name: "patch" },
    { type: "string" as const, name: "word" },
  ];
  const schedulers = [force({ name: "asking", builders: ["plain"], parameters })];
  await using world = await webWorld({}, { builders, schedulers });
  const headers = basic(await world.token("hand", { scopes: ["control"] }));
  const { body: page } = await world.get("/builders/plain", headers);
  assert.match(page, /<input type="file" name="p.patch"/);
  assert.match(page, /<button formenctype="multipart\/form-data">Build/);
  const key = /name="_form" value="([^"]*)"/.exec(page)?.[1] ?? "";
  const send = async (file: Blob, name: string, type?: string) => {
    const data = new FormData();
    for (const [field, value] of Object.entries({ _form: key, scheduler: "asking", builder: "plain", "p.word": ODD }))
      data.append(field, value);
    data.append("p.patch", file, name);
    const sent = new Response(data);
    const body = Buffer.from(await sent.arrayBuffer());
    const contentType = type ?? sent.headers.get("content-type") ?? "";
    return ask(`${world.url}/do/force`, {
      method: "POST",
      body,
      headers: { ...headers, "content-type": contentType, origin: world.url },
    });
  };
  assert.is((await send(new Blob([Buffer.from([0, 255, 10])]), "fix é.patch")).status, 303);
  const { properties } = await world.kit.call("buildsets.get", { buildset: 1 });
  assert.equal([properties.patch, properties.word], [{ name: "fix é.patch", base64: "AP8K" }, ODD]);
  assert.is((await send(new Blob([]), "")).status, 303);
  assert.is((await world.kit.call("buildsets.get", { buildset: 2 })).properties.patch, undefined);
  const large = await send(new Blob([Buffer.alloc(100_001)]), "large");
  assert.is(large.status, 400);
  assert.match(large.body, /at most 100000 bytes.*It has to be chosen again/s);
  const broken = await send(new Blob(["x"]), "x", "multipart/form-data; boundary=other");
  assert.equal([broken.status, /cannot be told from each other/.test(broken.body)], [400, true]);
  const crowd = await ask(`${world.url}/do/force`, {
    method: "POST",
    body: `${'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'.repeat(15_000)}--b--\r\n`,
    headers: { "content-type": "multipart/form-data; boundary=b", origin: world.url },
  });
  assert.equal([crowd.status, /It has more than 500 parts/.test(crowd.body)], [400, true]);
});

test("a browser's form needs the key that was made for its reader, and its own site", async () => {
  await using world = await webWorld();
  const ann = basic(await world.token("ann", { scopes: ["control"] }));
  const bob = basic(await world.token("bob", { scopes: ["control"] }));
  await world.build("plain");
  const page = "/builders/plain";
  assert.is((await world.send(page, "pause", {}, ann)).status, 303);
  const key = formKeyOf((await world.get(page, bob)).body);
  const raw = (body: string, headers: Record<string, string>) =>
    ask(`${world.url}/do/pause`, {
      method: "POST",
      body,
      headers: { ...FORM, ...ann, ...headers },
    });
  assert.is((await raw("builder=plain", {})).status, 403);
  assert.is((await raw(`builder=plain&_form=${key}`, {})).status, 403, "a key of somebody else");
  assert.is((await raw(`builder=plain&_form=${key}`, { origin: "https://evil.example" })).status, 403);
  assert.is((await raw("{}", { "content-type": "application/json" })).status, 400);
  assert.is((await raw("", { referer: "https://evil.example/x" })).status, 403);
});

test("an action that is not there, and one that was too late, are pages too", async () => {
  await using world = await webWorld();
  const headers = { ...(await world.hand()), ...FORM };
  assert.is((await ask(`${world.url}/do/nothing`, { method: "POST", headers })).status, 404);
  assert.is((await ask(`${world.url}/builders`, { method: "POST", headers })).status, 404);
  await world.build("plain");
  const late = await ask(`${world.url}/do/stop`, { method: "POST", headers, body: "builder=plain&number=1" });
  assert.is(late.status, 409);
  assert.match(late.body, "It is too late for this");
});

test("a form outlives a restart of the master, and what it is made with is told to nobody", async () => {
  const folder = await mkdtemp(join(tmpdir(), "belfry-forms-"));
  const life = () =>
    testMaster({
      folder,
      config: {
        services: [http({ port: 0 }), web()],
        workers: [fakeWorker({ name: "w" })],
        builders: [{ name: "plain", workers: ["w"], steps: [step({ run: () => ({ result: "success" as const }) })] }],
      },
    });
  try {
    const first = await life();
    const { token } = await first.call("tokens.add", { name: "hand", scopes: ["admin"] });
    const headers = basic(token);
    const page = await ask(`${httpUrl(first.master)}/builders/plain`, { headers });
    const _form = formKeyOf(page.body);
    const admin = (await first.master.api.authenticate(token)) as Caller;
    const refused = await rejects(first.call("web.formKey", {}, admin));
    assert.is((refused as BelfryError).code, "BELFRY_WEB_INTERNAL_ONLY");
    await first.close();
    await using second = await life();
    const url = httpUrl(second.master);
    const body = new URLSearchParams({ _form, builder: "plain" }).toString();
    const sent = await ask(`${url}/do/pause`, { method: "POST", body, headers: { ...headers, ...FORM, origin: url } });
    assert.is(sent.status, 303, sent.body);
    assert.is((await second.call("builders.get", { builder: "plain" })).paused, true);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
