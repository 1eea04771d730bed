import { force } from "@belfry/schedulers";
import { fakeWorker, secrets, step, type TestMaster, testMaster } from "@belfry/testkit";
import { BelfryError, type Config, type LastGood, type StepContext } from "belfry";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATABASES, type TestDatabase } from "../databases.ts";

const test = suite("what steps keep with their build");

type Run = (ctx: StepContext) => Promise<unknown> | unknown;

const world = (run: Run, database?: TestDatabase, more: Partial<Config> = {}): Promise<TestMaster> =>
  testMaster({
    config: {
      ...(database ? { database: database.entry } : {}),
      workers: [fakeWorker({ name: "w" })],
      schedulers: [force({ name: "force", builders: ["b"] })],
      builders: [
        {
          name: "b",
          workers: ["w"],
          steps: [
            step({
              name: "it",
              run: async (ctx) => ((await run(ctx)) ?? { result: "success" }) as never,
            }),
          ],
        },
      ],
      ...more,
    },
  });

async function build(kit: TestMaster, params = {}) {
  const { buildset } = await kit.call("schedulers.force", params);
  await kit.buildsetEnd(buildset);
  const [item] = (await kit.call("builds.list", { limit: 1 })).items;
  const { items } = await kit.call("builds.steps", { build: item.id });
  return { ...item, step: items[0] };
}

const codeOf = (act: () => unknown): string => {
  try {
    act();
    return "fine";
  } catch (error) {
    return BelfryError.is(error) ? error.code : String(error);
  }
};

for (const kind of DATABASES) {
  test(`${kind.name}: links, figures and data stay with step and build, and are told of`, async () => {
    await using database = await kind.open();
    await using kit = await world(async (ctx) => {
      ctx.link("report", "https://old.example.org/");
      ctx.link("mail", "mailto:a@example.org");
      ctx.link("report", "http://example.org/1");
      ctx.statistic("tests", 3);
      ctx.statistic("tests", 4);
      ctx.statistic("seconds", 0.5);
      ctx.buildData("old", 1);
      ctx.buildData("json", { a: [1, "\u0000x", null] });
      ctx.buildData("bytes", new Uint8Array([0, 255, 7]));
      ctx.buildData("old", "new");
    }, database);
    const b = await build(kit);
    assert.equal(b.step.links, [
      { name: "report", url: "http://example.org/1" },
      { name: "mail", url: "mailto:a@example.org" },
    ]);
    assert.equal(b.step.statistics, { tests: 4, seconds: 0.5 });
    const { items } = await kit.call("builds.data", { build: b.id });
    assert.equal(
      items.map(({ name, type, bytes, step: number }: Record<string, unknown>) => [name, type, bytes, number]),
      [
        ["bytes", "bytes", 3, 1],
        ["json", "json", 24, 1],
        ["old", "json", 5, 1],
      ],
    );
    const one = async (name: string) => (await kit.call("builds.data", { build: b.id, name })).items[0].value;
    assert.equal(await one("json"), { a: [1, "\u0000x", null] });
    assert.is(await one("bytes"), Buffer.from([0, 255, 7]).toString("base64"));
    assert.is(await one("old"), "new");
    const told = (await kit.events()).filter(({ type }) => type === "step.linked" || type === "build.data");
    assert.equal(told.map(({ data }) => data.url ?? data.name).sort(), [
      "bytes",
      "http://example.org/1",
      "https://old.example.org/",
      "json",
      "mailto:a@example.org",
      "old",
    ]);
  });

  test(`${kind.name}: a step is told the figures of its branch's last good build`, async () => {
    await using database = await kind.open();
    const seen: (LastGood | undefined)[] = [];
    let turn = 0;
    await using kit = await world(async (ctx) => {
      turn += 1;
      seen.push(await ctx.lastGood());
      ctx.statistic("n", turn);
      return { result: turn === 2 ? "failure" : "success" };
    }, database);
    for (const branch of ["main", "main", "main", "other", null, "main", null]) await build(kit, { branch });
    assert.equal(seen, [
      undefined,
      { number: 1, statistics: { n: 1 } },
      { number: 1, statistics: { n: 1 } },
      undefined,
      undefined,
      { number: 3, statistics: { n: 3 } },
      { number: 5, statistics: { n: 5 } },
    ]);
  });
}

test("addresses of other kinds, wrong figures and data that is too large are refused, and nothing else of the step", async () => {
  const codes: Record<string, string> = {};
  await using kit = await world((ctx) => {
    const attempt = (what: string, act: () => unknown) => {
      codes[what] = codeOf(act);
    };
    attempt("script", () => ctx.link("x", "javascript:alert(1)"));
    attempt("data", () => ctx.link("x", "data:text/html,x"));
    attempt("file", () => ctx.link("x", " file:///etc/passwd"));
    attempt("none", () => ctx.link("x", "example.org"));
    attempt("no name", () => ctx.link("", "https://example.org"));
    attempt("long", () => ctx.link("x", `https://example.org/${"x".repeat(3_000)}`));
    for (let i = 0; i < 50; i += 1) ctx.link(`link ${i}`, "https://example.org");
    attempt("too many links", () => ctx.link("x", "https://example.org"));
    attempt("again", () => ctx.link("link 1", "https://example.org/again"));
    attempt("NaN", () => ctx.statistic("n", Number.NaN));
    attempt("infinite", () => ctx.statistic("n", Number.POSITIVE_INFINITY));
    attempt("text", () => ctx.statistic("n", "1" as never));
    attempt("function", () => ctx.buildData("d", (() => 1) as never));
    attempt("large", () => ctx.buildData("d", "x".repeat(1024 * 1024)));
    attempt("large bytes", () => ctx.buildData("d", new Uint8Array(1024 * 1024 + 1)));
    attempt("largest", () => ctx.buildData("d", new Uint8Array(1024 * 1024)));
    for (let i = 0; i < 99; i += 1) ctx.buildData(`d${i}`, i);
    attempt("too much data", () => ctx.buildData("one more", 1));
  });
  const b = await build(kit);
  assert.is(b.result, "success");
  assert.is(b.step.links.length, 50);
  assert.is((await kit.call("builds.data", { build: b.id })).items.length, 100);
  const link = "BELFRY_LINK_REFUSED";
  const figure = "BELFRY_STATISTIC_REFUSED";
  const data = "BELFRY_BUILD_DATA_REFUSED";
  assert.equal(codes, {
    script: link,
    data: link,
    file: link,
    none: link,
    "no name": link,
    long: link,
    "too many links": link,
    again: "fine",
    NaN: figure,
    infinite: figure,
    text: figure,
    function: data,
    large: data,
    "large bytes": data,
    largest: "fine",
    "too much data": data,
  });
});

test("a secret is in no link, figure, data, failing test or name of them", async () => {
  const value = "hunter2-very-secret";
  await using kit = await world(
    async (ctx) => {
      await ctx.secret("token");
      ctx.link(`l ${value}`, `https://user:${value}@example.org/`);
      ctx.statistic(`n ${value}`, 1);
      ctx.buildData(`d ${value}`, { [value]: [value] });
      ctx.buildData("bytes", Buffer.from(`x${value}y`));
      return { result: "failure", failing: [`test of ${value}`] };
    },
    undefined,
    { secrets: [secrets({ values: { token: value } })] },
  );
  const b = await build(kit);
  const { read } = kit.master.store;
  const all = JSON.stringify([
    b,
    await kit.events(),
    await read.selectFrom("steps").selectAll().execute(),
    await read.selectFrom("build_data").selectAll().execute(),
  ]);
  assert.not.match(all, value);
  const bytes = (await kit.call("builds.data", { build: b.id, name: "bytes" })).items[0].value;
  assert.is(Buffer.from(bytes, "base64").toString(), "x****y");
  assert.match(all, "l ****");
  assert.match(all, "test of ****");
});

test("lines of a command come one by one as they are printed, and a throw for one fails the call", async () => {
  const lines: string[] = [];
  const errors: string[] = [];
  const worker = fakeWorker({
    name: "w",
    run: async (_spec, output) => {
      for (const text of ["one\ntw", "o\r\n", "\nü".slice(0, 2)]) await output("stdout", Buffer.from(text), 0);
      await output("stderr", Buffer.from(`${"x".repeat(10_000)}\nlast`), 0);
      return {};
    },
  });
  await using kit = await world(
    async (ctx) => {
      await ctx.worker.run({
        command: "x",
        onLine: (line, channel) => lines.push(`${channel} ${line.slice(0, 5)} ${line.length}`),
      });
      await ctx.worker
        .run({
          command: "x",
          log: null,
          onLine: () => {
            throw new Error("cannot read this");
          },
        })
        .catch((error) => errors.push(error.message));
    },
    undefined,
    { workers: [worker] },
  );
  const b = await build(kit);
  assert.is(b.result, "success");
  assert.equal(lines, [
    "stdout one 3",
    "stdout two 3",
    "stdout  0",
    "stderr xxxxx 4096",
    "stdout ü 1",
    "stderr last 4",
  ]);
  assert.equal(errors, ["cannot read this"]);
});

test.run();
