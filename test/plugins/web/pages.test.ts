import { gunzipSync } from "node:zlib";
import { anyBranch, force } from "@belfry/schedulers";
import { fakeWorker, step } from "@belfry/testkit";
import { BelfryError } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { written } from "../../../plugins/web/src/html.ts";
import { faultPage } from "../../../plugins/web/src/parts/fault.ts";
import { segment } from "../../../plugins/web/src/urls.ts";
import { AT, logWorld } from "./log-world.ts";
import { everyPage, ODD, ODD_CHANGE, unescaped, type WebWorld, webWorld } from "./world.ts";

const test = suite("pages");

const page = async (world: WebWorld, path: string) => {
  const { status, headers, body } = await world.get(path);
  assert.is(status, 200, path);
  assert.is(headers["content-type"], "text/html; charset=utf-8", path);
  assert.match(body, /^<!DOCTYPE html>\n<html lang="en">/);
  assert.is(body.match(/<h1>/g)?.length, 1, path);
  return body;
};
const CSP = /^default-src 'none'; script-src 'self'; style-src 'self'; .*frame-ancestors 'none'$/;

test("every page is whole, with no script or style in it, also with the worst of names and texts", async () => {
  await using world = await webWorld();
  await world.kit.addChange(ODD_CHANGE);
  await world.build(ODD, "failure", { reason: ODD, branch: ODD, revision: ODD });
  await world.kit.event("build.explained");
  await world.kit.call("builders.pause", { builder: ODD, reason: ODD });
  await world.kit.call("schedulers.force", { scheduler: "by hand", builders: [ODD], reason: ODD, branch: ODD });
  const found = [
    `/builders/${segment(ODD)}/builds/1/steps/1/logs/1?find=error`,
    `/builders?q=${encodeURIComponent(ODD)}`,
  ];
  for (const headers of [{}, await world.hand()]) {
    for (const path of [...everyPage(ODD), ...found, `/${encodeURIComponent(ODD)}`]) {
      const answer = await world.get(path, headers as Record<string, string>);
      assert.match(String(answer.status), /^(200|404)$/, path);
      assert.match(answer.headers["content-security-policy"] as string, CSP, path);
      const { body } = answer;
      assert.not.match(body, "<img", path);
      assert.not.match(body, /javascript:/i, path);
      assert.not.match(body, / style=| on\w+="/, path);
      assert.equal(body.match(/<script[^>]*>/g)?.length, 1, path);
    }
  }
});

test("the first page shows what runs, what waits and why, and what finished", async () => {
  await using world = await webWorld();
  assert.match(await page(world, "/"), "Nothing runs.");
  await world.build("plain", "failure");
  await world.begin();
  await world.kit.call("builders.pause", { builder: "plain", reason: "its disk is replaced" });
  await world.kit.call("schedulers.force", { scheduler: "by hand", builders: ["plain"] });
  const body = await page(world, "/");
  assert.match(body, /class="mark running"[^>]*>.*?<a href="\/builders\/slow\/builds\/1">/s);
  assert.match(body, /paused by .*its disk is replaced/s);
  assert.match(body, /<a href="\/builders\/plain\/builds\/1">.*failure/s);
});

test("the first page shows the last results of every builder, the broken ones first", async () => {
  await using world = await webWorld();
  await world.build("plain");
  await world.build("plain", "failure");
  await world.build(ODD);
  const body = await page(world, "/");
  const section = body.slice(body.indexOf('id="last"'));
  const links = [...section.matchAll(/<a href="(\/builders\/[^"]*)"/g)].map(([, href]) => href);
  const odd = `/builders/${segment(ODD)}`;
  const plain = "/builders/plain";
  assert.equal(links, [
    plain,
    `${plain}/builds/2`,
    `${plain}/builds/1`,
    `${plain}/builds/2`,
    odd,
    `${odd}/builds/1`,
    `${odd}/builds/1`,
  ]);
  assert.not.match(section, "slow", "what was never built has no result");
  assert.not.match(section, "All builders");
});

test("the first page of a large farm shows the builders that built last, and leads to all", async () => {
  const names = Array.from({ length: 31 }, (_, i) => `b${String(i).padStart(2, "0")}`);
  const steps = [step({ run: () => ({ result: "success" as const }) })];
  await using world = await webWorld(
    {},
    {
      builders: names.map((name) => ({ name, workers: ["w"], steps })),
      schedulers: [force({ name: "by hand", builders: names })],
    },
  );
  await world.build("b30");
  const body = await page(world, "/");
  const section = body.slice(body.indexOf('id="last"'));
  assert.equal(
    [...section.matchAll(/b\d\d<\/bdi>/g)].map(([name]) => name),
    ["b30</bdi>"],
  );
  assert.match(section, /<a href="\/builders">All builders<\/a>/);
});

test("the list of builders is searched and filtered, and says what each did", async () => {
  await using world = await webWorld();
  await world.build("plain");
  const names = async (query: string) =>
    [...(await page(world, `/builders${query}`)).matchAll(/<span class="name"><a href="([^"]*)"/g)].map(
      ([, href]) => href,
    );
  assert.equal(await names("?q=LA"), ["/builders/plain"]);
  assert.equal(await names("?tag=unit"), ["/builders/plain", "/builders/secret"]);
  assert.equal(await names("?project=app"), ["/builders/plain"]);
  assert.equal((await names("")).length, 5);
  const body = await page(world, "/builders?q=plain");
  assert.match(body, "1 of 5 builders");
  assert.match(body, /success<\/span> #1/);
  assert.match(await page(world, "/builders?q=none"), "No builder fits.");
});

test("a builder has its history, filtered by result, and what waits", async () => {
  await using world = await webWorld();
  await world.build("plain", "success", { branch: "main", revision: "a".repeat(40) });
  await world.build("plain", "failure", { branch: "topic" });
  const body = await page(world, "/builders/plain");
  assert.match(body, "50 % of 2 builds here went well");
  assert.match(body, "aaaaaaaaaa");
  assert.match(body, "what is quick");
  assert.match(body, /<svg class="trend" viewBox="0 0 300 60"/, "a few builds do not fill the width");
  const red = await page(world, "/builders/plain?result=failure");
  assert.match(red, "/builders/plain/builds/2");
  assert.not.match(red.replace(/^.*id="history"/s, ""), '/builders/plain/builds/1"');
});

test("a failed build shows why, its steps, its logs and the way on", async () => {
  await using world = await webWorld();
  await world.build("plain");
  await world.build("plain", "failure");
  await world.kit.event("build.explained");
  const body = await page(world, "/builders/plain/builds/2");
  assert.match(body, "Why it failed");
  assert.match(body, "error: a/b");
  assert.match(body, /<svg class="timeline"/);
  assert.match(body, '/builders/plain/builds/2/steps/1/logs/1"');
  assert.match(body, /The last good build was <a href="\/builders\/plain\/builds\/1">#1/);
  assert.match(body, 'rel="prev" href="/builders/plain/builds/1"');
  const goes = async (path: string) => (await world.get(path)).headers.location;
  assert.is(await goes("/builders/plain/builds/1/later"), "/builders/plain/builds/2");
  assert.is(await goes("/builders/plain/builds/2/later"), "/builders/plain");
  const { id } = await world.kit.call("builds.get", { builder: "plain", number: 2 });
  assert.is(await goes(`/builds/${id}`), "/builders/plain/builds/2");
});

test("a build that runs shows the end of what is written, and a progress", async () => {
  await using world = await webWorld();
  await world.begin();
  const body = await page(world, "/builders/slow/builds/1");
  assert.match(body, /data-name="log.tail" data-snippet="[^"]*step=1&amp;log=1".*begun/s);
  assert.match(body, /running<\/span>/);
});

test("a log opens at any line, is searched and downloaded whole", async () => {
  const lines = Array.from({ length: 2_345 }, (_, i) => `line ${i}${i % 1_000 === 7 ? " needle" : ""}`);
  const text = `${lines.join("\n")}\n`;
  await using world = await logWorld([[text]]);
  const from = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);
  assert.equal(await world.numbers(""), from(1, 500));
  assert.equal(await world.numbers("?from=1201"), from(1_201, 500));
  assert.equal(await world.numbers("?from=-500"), from(1_846, 500));
  assert.equal(await world.numbers("?find=NEEDLE&list=1"), [8, 1_008, 2_008]);
  const raw = await world.get(`${AT}/1/raw`);
  assert.is(raw.body, text);
  assert.is(raw.headers["content-type"], "text/plain; charset=utf-8");
  const zipped = Buffer.from(await (await fetch(`${world.url}${AT}/1/raw?gzip=1`)).arrayBuffer());
  assert.is(gunzipSync(zipped).toString(), raw.body);
  assert.is((await world.get(`${AT}/9`)).status, 404);
});

test("requests, buildsets, changes, workers, schedulers and sources have pages that lead to each other", async () => {
  await using world = await webWorld();
  const change = await world.kit.addChange({
    author: "Ada",
    comments: "mend it\n\nat last",
    revision: "5f6c835a",
    files: ["src/a.c"],
    link: "https://example.org/5f6c835a",
  });
  await world.build("plain", "failure", { revision: "5f6c835a" });
  assert.match(await page(world, "/requests"), "Nothing waits.");
  assert.match(await page(world, "/requests/1"), '<a href="/buildsets/1">');
  assert.match(await page(world, "/buildsets/1"), '<a href="/builders/plain/builds/1">');
  const one = await page(world, `/changes/${change}`);
  for (const part of ["Ada", "mend it", "src/a.c", 'href="https://example.org/5f6c835a"', "/builders/plain/builds/1"])
    assert.match(one, part);
  assert.match(await page(world, "/changes"), `<a href="/changes/${change}">`);
  assert.match(await page(world, "/workers"), /<a href="\/workers\/w">.*connected/s);
  assert.match(await page(world, "/workers/w"), "/builders/plain/builds/1");
  assert.match(await page(world, "/changes?source=api"), `<a href="/changes/${change}">`);
  assert.match(await page(world, "/changes?source=other"), "No change here fits what was chosen.");
  const schedulers = await page(world, "/schedulers");
  assert.match(schedulers, /<a href="\/schedulers\/by%20hand">.*<a href="\/buildsets\/1"><time.*failure/s);
  assert.match(schedulers, /<a href="\/schedulers\/asking">.*<td>never<\/td>/s);
  const begun = await page(world, "/schedulers/by%20hand");
  assert.match(begun, /What it had built.*<a href="\/buildsets\/1">.*failure.*\?revision=5f6c835a/s);
  assert.match(await page(world, "/schedulers/asking"), "Nothing yet.");
  assert.match(await page(world, "/schedulers/by%20hand"), /schedulers\.force.*<a href="\/builders\/plain">/s);
  assert.match(await page(world, "/sources"), "This master watches nothing yet.");
  assert.match(await page(world, "/plugins"), "@belfry/web");
  assert.match(await page(world, "/about"), /does its work.*1 of 1.*connected/s);
});

test("the page of a change tells what waits still because of it, and why", async () => {
  const schedulers = [anyBranch({ name: "changes", builders: ["plain", "slow"] })];
  await using world = await webWorld({}, { schedulers });
  await world.kit.call("builders.pause", { builder: "slow", reason: "moving" });
  const change = await world.kit.addChange({
    revision: "5f6c835a",
    branch: "main",
    author: "Ada <ada@example.org>",
    comments: "mend it\n\nat last",
  });
  await world.kit.event("build.finished");
  const { body } = await world.get(`/changes/${change}`);
  assert.match(
    body,
    /\/builders\/plain\/builds\/1".*success.*Waiting still.*\/builders\/slow".*its builder is paused.*moving/s,
  );
  const set = await page(world, "/buildsets/1");
  assert.match(set, "not ended yet");
  assert.match(
    set,
    /Changes<\/dt><dd><div><a href="\/changes\/1"><bdi>5f6c835a<\/bdi><\/a> .*Ada.*: <bdi>mend it<\/bdi>/s,
  );
  await world.kit.call("builders.resume", { builder: "slow" });
  await world.kit.buildsetEnd(1);
  assert.not.match((await world.get(`/changes/${change}`)).body, "Waiting still");
});

test("the waterfall has builders beside each other, and builds at once in lanes", async () => {
  await using world = await webWorld();
  await world.kit.addChange({ revision: "5f6c835a", author: "Ada" });
  await world.build("plain", "success", { branch: "main" });
  await world.build("plain", "failure", { branch: "topic" });
  await world.begin();
  const body = await page(world, "/waterfall");
  assert.match(body, /<th scope="col" colspan="1"><a href="\/builders\/plain">/);
  for (const link of ["/builders/plain/builds/1", "/builders/plain/builds/2", "/builders/slow/builds/1", "/changes/1"])
    assert.match(body, `href="${link}"`);
  const cells = body.match(/<td rowspan="\d+"/g)?.length ?? 0;
  assert.ok(cells >= 5);
  const topic = await page(world, "/waterfall?q=plain&branch=topic");
  assert.match(topic, "/builders/plain/builds/2");
  assert.not.match(topic, '/builders/plain/builds/1"');
  assert.not.match(topic, "/builders/slow");
  assert.match(await page(world, "/waterfall?q=none"), "No builder fits.");
});

test("the console and the grids say what came of a revision", async () => {
  await using world = await webWorld();
  await world.kit.addChange({ revision: "5f6c835a", author: "Ada", comments: "mend it" });
  await world.build("plain", "failure", { revision: "5f6c835a" });
  await world.build("secret", "success", { revision: "5f6c835a" });
  await world.build("plain", "success", { revision: "untold" });
  const body = await page(world, "/console");
  assert.match(body, /Ada.*mend it.*#1 failure/s);
  const found = await page(world, "/console?revision=untold");
  assert.match(found, "/builders/plain/builds/2");
  assert.match(await page(world, "/console?revision=nothing"), "No change is here, and no build of it.");
  for (const path of ["/grid", "/tgrid"]) {
    const shown = await page(world, path);
    for (const part of ['title="5f6c835a"', 'title="untold"', "#1 failure", "#2 success"])
      assert.match(shown, part, path);
  }
});

test("the waterfall is filtered by time, tells idle times, and goes back page by page", async () => {
  await using world = await webWorld();
  await world.build("plain");
  await world.build("plain", "failure");
  const { finishedAt } = await world.kit.call("builds.get", { builder: "plain", number: 1 });
  const numbers = async (query: string) =>
    [...(await page(world, `/waterfall${query}`)).matchAll(/href="\/builders\/plain\/builds\/(\d+)"/g)].map(
      ([, number]) => number,
    );
  assert.equal(await numbers(""), ["2", "1"]);
  assert.equal(await numbers(`?until=${finishedAt}`), ["1"]);
  assert.equal(await numbers(`?from=${finishedAt + 1}`), ["2"]);
  assert.equal(await numbers("?from=2000-01-01T00:00&until=2000-01-02T00:00"), []);
  assert.equal(await numbers("?from=nonsense&until=%00"), ["2", "1"]);
  assert.match(await page(world, "/waterfall?until=2000-01-02T00:00"), 'name="until" value="2000-01-02T00:00"');
  const idle = await page(world, "/waterfall");
  assert.match(idle, /idle since <time datetime="[^"]*" data-clock="\d+">/);
});

test("the waterfall says what waits for each builder, and about when it begins", async () => {
  await using world = await webWorld({}, { workers: [fakeWorker({ name: "w", slots: 1 })] });
  await world.begin();
  world.release();
  await world.kit.buildsetEnd(1);
  await world.begin();
  await world.kit.call("schedulers.force", { scheduler: "by hand", builders: ["slow", "plain"] });
  const body = await page(world, "/waterfall?q=slow");
  assert.match(body, /waiting, and about when it begins/);
  assert.match(body, /<a href="\/requests\/3"><span class="unseen">request <\/span>#3<\/a> ≈ <time[^>]* data-clock=/);
  assert.match(await page(world, "/waterfall?q=plain"), /#4<\/a>\s*<\/div>/, "nothing of it runs");
});

test("changes are found by person, and builds by the beginning of a revision, in the console", async () => {
  await using world = await webWorld();
  const revision = "5f6c835a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e";
  await world.kit.addChange({ revision, author: "Ada Lovelace <ada@example.org>", comments: "mend it" });
  await world.kit.addChange({ revision: "0".repeat(40), author: "Grace", comments: "break it" });
  await world.build("plain", "failure", { revision });
  const ada = await page(world, "/console?author=lovelace");
  assert.match(ada, '<bdi title="Ada Lovelace &lt;ada@example.org>">Ada Lovelace</bdi>');
  assert.not.match(ada, "break it");
  for (const asked of [revision, "5f6c835", "5F6C", ` ${revision} `]) {
    const body = await page(world, `/console?revision=${encodeURIComponent(asked)}`);
    assert.match(body, /mend it.*Tested by 1 build<.*\/builders\/plain\/builds\/1"/s, asked);
  }
  assert.match(await page(world, "/console?revision=5f6"), "No change is here, and no build of it.");
  assert.match(await page(world, `/console?revision=${"0".repeat(40)}`), "No build of it yet.");
  assert.match(await page(world, "/changes?author=GRACE"), "break it");
  assert.not.match(await page(world, "/changes?revision=5f6c83"), "break it");
});

test("a master without builders, workers, schedulers and sources says on each page what is missing", async () => {
  await using world = await webWorld({}, { builders: [], workers: [], schedulers: [], sources: [] });
  const said: [string, string][] = [
    ["/", "Nothing runs."],
    ["/builders", "no builders yet"],
    ["/requests", "Nothing waits."],
    ["/changes", "No change is here."],
    ["/workers", "no workers yet"],
    ["/schedulers", "no schedulers yet"],
    ["/sources", "watches nothing yet"],
    ["/waterfall", "no builders yet"],
    ["/console", "no builders yet"],
    ["/grid", "no builders yet"],
    ["/tgrid", "no builders yet"],
    ["/plugins", "@belfry/web"],
    ["/about", "0 of 0"],
  ];
  for (const [path, words] of said) assert.match(await page(world, path), words, path);
});

test("a builder without builds has its place on every page, and no picture of nothing", async () => {
  await using world = await webWorld();
  await world.kit.addChange({ revision: "5f6c835a" });
  assert.match(await page(world, "/builders/plain"), "plain");
  assert.match(await page(world, "/waterfall"), /href="\/builders\/plain"/);
  assert.match(await page(world, "/console"), /href="\/builders\/plain"/);
  assert.match((await world.get("/badges/plain.svg")).body, "never built");
});

test("what does not exist is a 404 with where to go, for each type of object", async () => {
  await using world = await webWorld();
  await world.build("plain");
  const unknown = [
    "/builders/nobody",
    "/builders/plain/builds/2",
    "/builders/plain/builds/0",
    "/builders/plain/builds/1e3",
    "/builders/plain/builds/99999999999999999999",
    "/builders/plain/builds/1/steps/9",
    "/builders/plain/builds/1/steps/1/logs/9",
    "/builds/99",
    "/changes/99",
    "/changes/-1",
    "/buildsets/99",
    "/requests/99",
    "/requests/%00",
    "/workers/nobody",
    "/schedulers/nobody",
    `/sources/${segment(ODD)}`,
    "/badges/nobody.svg",
    "/badges/plain.txt",
    "/%ff",
    "/no/such/page",
  ];
  for (const path of unknown) {
    const { status, body } = await world.get(path);
    assert.is(status, 404, path);
    assert.match(body, /<h1>Nothing is here<\/h1>.*<a href="\/builders">all builders/s, path);
    assert.not.match(body, "<img", path);
  }
  const above = async (path: string) =>
    [...(await world.get(path)).body.matchAll(/<li><a href="([^"]*)"><bdi>([^<]*)</g)].map(([, ...one]) => one);
  const builder = ["/builders/plain", "builder plain"];
  assert.equal(await above("/builders/plain/builds/99"), [builder]);
  assert.equal(await above("/builders/plain/builds/99/steps/1/logs/1"), [
    builder,
    ["/builders/plain/builds/99", "build #99"],
    ["/builders/plain/builds/99/steps/1", "step 1"],
  ]);
  assert.equal(await above("/builders/nobody"), []);
  assert.equal(await above("//builders.example/builds/9"), [], "never to another server");
  const said = async (path: string) => unescaped((await world.get(path)).body);
  assert.match(await said("/workers/nobody"), /There is no worker "nobody"\..*<li><a href="\/workers"><bdi>Workers</s);
  assert.match(
    await said("/schedulers/nobody"),
    /There is no scheduler "nobody"\..*<a href="\/schedulers"><bdi>Schedulers</s,
  );
  assert.match(await said("/sources/nobody"), /There is no source "nobody"\..*<a href="\/sources"><bdi>Sources</s);
  assert.match(
    await said("/requests/x"),
    /"x" is not the number of anything.*<li><a href="\/requests"><bdi>Requests</s,
  );
  assert.match(await said("/Waterfall"), '<li><a href="/waterfall"><bdi>Waterfall</bdi></a></li>');
  assert.is((await said("/changes/x")).match(/<li><a href="\/changes">/g)?.length, 1, "it is not told twice");
  const step = await world.get("/builders/plain/builds/1/steps/1");
  assert.equal([step.status, step.headers.location], [302, "/builders/plain/builds/1#step-1"]);
});

test("what is code in the words of an error is shown as code, and markup stays text", () => {
  const page = (fix: string) => written(faultPage(new BelfryError("BELFRY_X", { what: "x", why: "y", fix }), 400).body);
  assert.match(page("Use `belfry login-link` now."), "Use <code>belfry login-link</code> now.");
  assert.match(page("A ` alone, and `<b>`"), "A <code> alone, and </code>&lt;b>`");
});

test("badges tell the last result, as a picture and for shields", async () => {
  await using world = await webWorld();
  await world.build(ODD, "failure");
  const svg = await world.get(`/badges/${segment(`${ODD}.svg`)}`);
  assert.equal([svg.status, svg.headers["content-type"]], [200, "image/svg+xml; charset=utf-8"]);
  assert.match(svg.body, ">failure</text>");
  assert.not.match(svg.body, "<img");
  const json = await world.get("/badges/plain.json?label=unit");
  assert.equal(JSON.parse(json.body), { schemaVersion: 1, label: "unit", message: "never built", color: "5b6168" });
  assert.is((await world.get("/badges/nobody.svg")).status, 404);
});

test("pages bear the title of the configuration that is in force, or that of their own", async () => {
  const titleOf = async (world: WebWorld) => /<title>([^<]*)<\/title>/.exec((await world.get("/workers")).body)?.[1];
  await using world = await webWorld({}, { title: "<Old> farm" }, () => ({ title: "New farm" }));
  assert.is(await titleOf(world), "Workers · &lt;Old> farm");
  await world.kit.call("config.reload");
  assert.is(await titleOf(world), "Workers · New farm");
  await using named = await webWorld({ title: "Pages" }, { title: "Farm" });
  assert.is(await titleOf(named), "Workers · Pages");
});

test.run();
