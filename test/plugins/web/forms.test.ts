import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { http } from "@belfry/http";
import { fakeWorker, rejects, step, testMaster, until } from "@belfry/testkit";
import { web } from "@belfry/web";
import type { BelfryError, Caller } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { segment } from "../../../plugins/web/src/urls.ts";
import { httpUrl } from "../../bench/http-url.ts";
import { ask } from "../http/world.ts";
import { basic, ODD, webWorld } from "./world.ts";

const test = suite("forms");

test("who may not sees no buttons, and his forms are refused", async () => {
  await using world = await webWorld();
  await world.build("plain", "failure");
  for (const path of ["/builders/plain", "/builders/plain/builds/1", "/buildsets/1", "/schedulers"])
    assert.not.match((await world.get(path)).body, 'method="post"', path);
  const answer = await ask(`${world.url}/do/rebuild`, {
    method: "POST",
    body: "builder=plain&number=1",
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });
  assert.is(answer.status, 403);
  assert.match(answer.body, "BELFRY_WEB_FORM_REFUSED");
});

test("a build is stopped, rebuilt and cancelled by forms that need no script", async () => {
  await using world = await webWorld();
  const headers = { authorization: `Bearer ${await world.token("hand", { scopes: ["control"] })}` };
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

test("a builder is paused with a reason, and resumed", async () => {
  await using world = await webWorld();
  const headers = { authorization: `Bearer ${await world.token("hand", { scopes: ["control"] })}` };
  await world.send("/builders/plain", "pause", { reason: ODD }, headers);
  assert.is((await world.kit.call("builders.get", { builder: "plain" })).pausedReason, ODD);
  await world.send("/builders/plain", "resume", {}, headers);
  assert.is((await world.kit.call("builders.get", { builder: "plain" })).paused, false);
});

test("workers are paused with a reason, several at once, and resumed; the others go on", async () => {
  const workers = ["w", "x", ODD].map((name) => fakeWorker({ name }));
  await using world = await webWorld({}, { workers });
  const headers = { authorization: `Bearer ${await world.token("hand", { scopes: ["control"] })}` };
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
  const key = /name="_form" value="([^"]*)"/.exec(body)?.[1] ?? "";
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
      "content-type": "application/x-www-form-urlencoded",
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
  const headers = { authorization: `Bearer ${await world.token("hand", { scopes: ["control"] })}` };
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
  const headers = { authorization: `Bearer ${await world.token("hand", { scopes: ["control"] })}` };
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
  const headers = { authorization: `Bearer ${await world.token("hand", { scopes: ["control"] })}` };
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
  assert.match(wrong.body, '<a href="/builders/plain">Back');
  const broken = await world.send("/builders/plain", "force", { scheduler: "by hand", properties: "{" }, headers);
  assert.equal([broken.status, /cannot be read as JSON/.test(broken.body)], [400, true]);
});

test("a browser's form needs the key that was made for its reader, and its own site", async () => {
  await using world = await webWorld();
  const ann = basic(await world.token("ann", { scopes: ["control"] }));
  const bob = basic(await world.token("bob", { scopes: ["control"] }));
  await world.build("plain");
  const page = "/builders/plain";
  assert.is((await world.send(page, "pause", {}, ann)).status, 303);
  const key = /name="_form" value="([^"]*)"/.exec((await world.get(page, bob)).body)?.[1] ?? "";
  const raw = (body: string, headers: Record<string, string>) =>
    ask(`${world.url}/do/pause`, {
      method: "POST",
      body,
      headers: { "content-type": "application/x-www-form-urlencoded", ...ann, ...headers },
    });
  assert.is((await raw("builder=plain", {})).status, 403);
  assert.is((await raw(`builder=plain&_form=${key}`, {})).status, 403, "a key of somebody else");
  assert.is((await raw(`builder=plain&_form=${key}`, { origin: "https://evil.example" })).status, 403);
  assert.is((await raw("{}", { "content-type": "application/json" })).status, 400);
  assert.is((await raw("", { referer: "https://evil.example/x" })).status, 403);
});

test("an action that is not there, and one that was too late, are pages too", async () => {
  await using world = await webWorld();
  const headers = {
    authorization: `Bearer ${await world.token("hand", { scopes: ["control"] })}`,
    "content-type": "application/x-www-form-urlencoded",
  };
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
    const _form = /name="_form" value="([^"]+)"/.exec(page.body)?.[1] ?? "";
    const admin = (await first.master.api.authenticate(token)) as Caller;
    const refused = await rejects(first.call("web.formKey", {}, admin));
    assert.is((refused as BelfryError).code, "BELFRY_WEB_INTERNAL_ONLY");
    await first.close();
    await using second = await life();
    const url = httpUrl(second.master);
    const body = new URLSearchParams({ _form, builder: "plain" }).toString();
    const type = { "content-type": "application/x-www-form-urlencoded", origin: url };
    const sent = await ask(`${url}/do/pause`, { method: "POST", body, headers: { ...headers, ...type } });
    assert.is(sent.status, 303, sent.body);
    assert.is((await second.call("builders.get", { builder: "plain" })).paused, true);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
