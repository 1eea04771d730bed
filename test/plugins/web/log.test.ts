import { gunzipSync } from "node:zlib";
import { logStore, step } from "@belfry/testkit";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MemoryLogStore } from "../testkit/memory-log-store.ts";
import { AT, logWorld, numbered } from "./log-world.ts";
import { oneBuilder, webWorld } from "./world.ts";

const test = suite("the page of a log");

const from = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

test("a page begins at any line, has as many as it shall, and leads on", async () => {
  await using world = await logWorld([[numbered(2_345)]]);
  assert.equal(await world.numbers(""), from(1, 500));
  assert.equal(await world.numbers("?from=1200"), from(1_200, 1_699));
  assert.equal(await world.numbers("?from=1200&lines=3"), [1_200, 1_201, 1_202]);
  assert.equal(await world.numbers("?from=-2"), [2_344, 2_345]);
  assert.equal(await world.numbers("?from=-99999"), from(1, 500));
  const body = await world.page("?from=1200&lines=3");
  assert.match(body, `rel="prev" href="${AT}/1?lines=3&amp;from=1197"`);
  assert.match(body, `rel="next" href="${AT}/1?lines=3&amp;from=1203"`);
  assert.match(body, "lines 1200 to 1202 of 2345");
  assert.match(body, `<li id="L1201" data-time="`);
  assert.match(body, `<a class="number" href="${AT}/1?from=1200#L1201"`);
});

test("a line that is not there is told, and what is no number is the beginning", async () => {
  await using world = await logWorld([[numbered(600)]]);
  const body = await world.page("?from=9000");
  assert.match(body, '<p role="status">There is no line 9000. These are the last ones.</p>');
  assert.equal(await world.numbers("?from=9000"), from(581, 600));
  assert.equal(await world.numbers("?from=999999999999999"), from(581, 600));
  for (const query of [
    "?from=",
    "?from=abc",
    "?from=0",
    "?from=1e3",
    "?from=99999999999999999999",
    "?lines=abc",
    "?lines=9999",
  ])
    assert.equal(await world.numbers(query), from(1, 500), query);
  for (const query of ["?lines=0", "?lines=-7"]) assert.equal(await world.numbers(query), [1], query);
  for (const path of [
    `${AT}/0`,
    `${AT}/2`,
    `${AT}/out`,
    "/builders/talks/builds/1/steps/9/logs/1",
    `${AT}/9/raw`,
    `${AT}/9/text`,
  ])
    assert.is((await world.get(path)).status, 404, path);
});

test("an empty log says so", async () => {
  await using world = await logWorld([[""]]);
  assert.match(await world.page(""), "No line is here.");
  assert.is((await world.get(`${AT}/1/raw`)).body, "");
});

test("colours go on over the borders of pages and pieces, each channel for itself", async () => {
  await using world = await logWorld([
    [`${numbered(495)}\u001b[31mred\n${numbered(100)}\u001b[0mplain\n`],
    ["\u001b[1mbold\n", "stderr"],
    ["still plain\n"],
    ["still bold\n", "stderr"],
    ["$ command\n", "header"],
  ]);
  const body = await world.page("?from=501&lines=200");
  const shown = (number: number) => new RegExp(`<li id="L${number}".*?<code[^>]*>(.*?)</code>`).exec(body)?.[1];
  assert.is(shown(501), '<span class="fg1">line 5</span>');
  assert.is(shown(597), "plain");
  assert.is(shown(598), '<span class="bold">bold</span>');
  assert.is(shown(599), "still plain");
  assert.is(shown(600), '<span class="bold">still bold</span>');
  assert.match(
    body,
    /<a class="number" [^>]*title="[^" ]*Z header">601<\/a><code class="header" dir="auto">\$ command<\/code>/,
  );
  const alone = await world.get(`/web/snippets/log.lines?builder=talks&number=1&step=1&log=1&first=500&count=1`);
  assert.match(alone.body, '<span class="fg1">line 5</span>');
});

test("a page has fewer lines if they are made of many pieces, and the end is there if the end is wanted", async () => {
  const rainbow = `${Array.from({ length: 30 }, (_, i) => `\u001b[3${i % 8}mx`).join("")}\n`;
  await using world = await logWorld([[rainbow.repeat(400)]]);
  const size = async (query: string) =>
    /<ol .*<\/ol>/s.exec(await world.page(query))?.[0].match(/<(li|a|code|span)/g)?.length ?? 0;
  for (const query of ["", "?from=200", "?from=-500"]) {
    const nodes = await size(query);
    assert.ok(nodes > 1_500 && nodes <= 2_000, `${query} ${nodes}`);
  }
  assert.is((await world.numbers("?from=-500")).at(-1), 400);
  assert.match(await world.page(""), /rel="next" href="[^"]*\?from=\d\d"/);
});

test("search counts over the whole log, and goes to the next and the previous line, without script too", async () => {
  const text = Array.from({ length: 2_345 }, (_, i) => `line ${i + 1}${i % 1_000 === 7 ? " Needle <b>" : ""}\n`).join(
    "",
  );
  await using world = await logWorld([[text]]);
  const first = await world.page("?find=NEEDLE+%3Cb");
  assert.match(first, '<span class="at">1</span> of 3 lines that have <b><bdi>NEEDLE &lt;b</bdi></b>, of 2345 in all.');
  assert.match(first, /<li id="L8" class="picked" .*<mark>Needle &lt;b<\/mark>></);
  const next = /rel="next" aria-keyshortcuts="N" href="([^"]*)"/.exec(first)?.[1]?.replaceAll("&amp;", "&") ?? "";
  assert.is(next, `${AT}/1?find=NEEDLE+%3Cb&hit=1008&from=1003#L1008`);
  const second = (await world.get(next.split("#")[0] ?? "")).body;
  assert.match(second, '<span class="at">2</span> of 3 lines');
  assert.match(second, /rel="prev" [^>]*href="[^"]*hit=8&amp;from=3#L8"/);
  assert.match(second, '<li id="L1008" class="picked"');
  const behind = await world.page("?find=needle&hit=2100");
  assert.match(behind, "3 lines that have <b><bdi>needle</bdi></b>, of 2345 in all, none from line 2100 on.");
  assert.match(behind, /rel="prev" [^>]*href="[^"]*hit=2008&/);
  assert.match(await world.page("?find=nothing+such"), "0 lines that have");
  assert.equal(await world.numbers("?find=needle&list=1"), [8, 1_008, 2_008]);
  assert.equal(await world.numbers("?find=e+%5Cd00%3F%24&pattern=1&list=1&hit=800"), [800, 900]);
  const refused = await world.page("?find=a(b&pattern=1");
  assert.match(refused, /role="alert"><p><b><bdi>a\(b<\/bdi> is no pattern<\/b>: .*missing closing \): `a\(b`/);
  assert.match(refused, '<li id="L1"', "the log stays there");
  assert.match(await world.page("?find=a(b&pattern=1&list=1"), "is no pattern");
});

test("errors are found over the whole log as the summary of a failure has them, and none of Belfry's own", async () => {
  await using world = await logWorld([
    ["$ grep error: x\n", "header"],
    [`${numbered(1_000)}src/a.c:1: error: no\n${numbered(1_000)}`],
    ["Traceback (most recent call last):\n", "stderr"],
  ]);
  const body = await world.page("?errors=1");
  assert.match(body, '<span class="at">1</span> of 2 lines that name an error, of 2003 in all.');
  assert.match(body, '<li id="L1002" class="picked"');
  assert.match(body, /rel="next" [^>]*href="[^"]*errors=1&amp;hit=2003&/);
});

test("raw, download, compressed and plain text have what was written, with the right headers", async () => {
  const text = `${numbered(2_500)}\u001b[31mred\u001b[0m \u001b]8;;http://a.b\u0007link\u001b]8;;\u0007\n<script>\n`;
  await using world = await logWorld([[text]]);
  const get = async (path: string) => {
    const answer = await fetch(`${world.url}${AT}/1${path}`);
    const { headers } = answer;
    const facts = [
      headers.get("content-type"),
      headers.get("content-disposition"),
      headers.get("x-content-type-options"),
    ];
    return { facts, bytes: Buffer.from(await answer.arrayBuffer()) };
  };
  const plain = "text/plain; charset=utf-8";
  const raw = await get("/raw");
  assert.equal(raw.facts, [plain, 'inline; filename="talks-1-1-1.txt"', "nosniff"]);
  assert.is(raw.bytes.toString(), text);
  assert.equal((await get("/raw?download=1")).facts, [plain, 'attachment; filename="talks-1-1-1.txt"', "nosniff"]);
  const zipped = await get("/raw?gzip=1");
  assert.equal(zipped.facts, ["application/gzip", 'attachment; filename="talks-1-1-1.txt.gz"', "nosniff"]);
  assert.is(gunzipSync(zipped.bytes).toString(), text);
  const shown = await get("/text");
  assert.equal(shown.facts, [plain, 'inline; filename="talks-1-1-1.txt"', "nosniff"]);
  assert.is(shown.bytes.toString(), `${numbered(2_500)}red link\n<script>\n`);
  assert.is((await get("/text?from=2&lines=2")).bytes.toString(), "line 2\nline 3\n");
  assert.is((await get("/raw?from=-2")).bytes.toString(), text.slice(numbered(2_500).length));
  assert.is((await get("/raw?from=1&lines=1500")).bytes.toString(), numbered(1_500));
  assert.is((await get("/raw?from=99999")).bytes.toString(), "");
});

test("a long line is shown cut, with the way to the rest, and the part that has what is looked for", async () => {
  const long = `${"a".repeat(30_000)}needle${"b".repeat(20_000)}`;
  await using world = await logWorld([[`${long}\nshort\n`]]);
  const body = await world.page("");
  const href = /<a href="([^"]*)">… 10000 of 50006 characters; all of them<\/a>/
    .exec(body)?.[1]
    ?.replaceAll("&amp;", "&");
  assert.is(href, `${AT}/1/raw?from=1&lines=1`);
  assert.is((await world.get(href ?? "")).body, `${long}\n`);
  assert.match(await world.page("?find=NEEDLE"), "a<mark>needle</mark>b");
});

test("a line of more than 64 KiB goes on in the next one, and is whole in what is downloaded", async () => {
  const long = "0123456789".repeat(20_000);
  await using world = await logWorld([
    [`${long}\n${"x".repeat(65_536)}\n`],
    ["y".repeat(70_000), "stderr"],
    ["between\n"],
    ["end\n", "stderr"],
  ]);
  const body = await world.page("");
  assert.is(body.match(/goes on in the next line/g)?.length, 4);
  const raw = (await world.get(`${AT}/1/raw`)).body;
  const parts = raw.split("\n").map((line) => `${line.slice(0, 10)} ${line.length}`);
  assert.equal(parts, [
    "0123456789 200000",
    "xxxxxxxxxx 65536",
    "yyyyyyyyyy 65536",
    "between 7",
    "yyyyyyyyyy 4467",
    " 0",
  ]);
});

test("a character that is cut with its line is whole, wherever reading begins", async () => {
  const long = `${"€".repeat(60_000)}\n`;
  await using world = await logWorld([[long]]);
  assert.ok((await world.get(`${AT}/1/raw`)).body === long);
  const pieces = await Promise.all(
    [1, 2, 3].map(async (from) => (await world.get(`${AT}/1/raw?from=${from}&lines=1`)).body),
  );
  assert.ok(pieces.join("") === long);
  assert.ok(pieces.every((piece) => piece.length > 10_000));
});

test("logs of one step lead to each other, and the one that is shown is marked", async () => {
  await using world = await logWorld([["one\n"]], [["two\n"]]);
  const body = (await world.get(`${AT}/2`)).body;
  assert.match(body, `<a href="${AT}/1"><bdi>log 1</bdi></a>`);
  assert.match(body, `<a href="${AT}/2" aria-current="page"><bdi>log 2</bdi></a>`);
});

test("a log that was removed from under its page is not found, in the words of the store", async () => {
  const store = new MemoryLogStore();
  const talks = step({
    run: async (ctx) => {
      await ctx.log("out").write("one\n");
      return { result: "success" };
    },
  });
  await using world = await webWorld({}, { logStore: logStore({ store }), ...oneBuilder("talks", talks) });
  await world.build("talks");
  assert.match((await world.get(`${AT}/1`)).body, '<li id="L1"');
  await store.remove("b/");
  for (const path of [`${AT}/1/raw`, `${AT}/1/text`, `${AT}/1?from=2`, `${AT}/1?find=one`]) {
    const { status, body } = await world.get(path);
    assert.is(status, 404, path);
    assert.match(body, "BELFRY_LOG_NOT_FOUND", path);
  }
  assert.is((await world.get("/builders/talks/builds/1")).status, 200);
});

test.run();
